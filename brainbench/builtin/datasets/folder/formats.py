"""Responses in tables and arrays, row by row: .npy, .csv, .tsv, .parquet, .h5 and .hdf5, one ``Matrix`` a file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from brainbench import DataError
from brainbench.builtin.datasets.folder.matrices import Matrix, held
from brainbench.datasets import open_npy, read_numbers

_AXES = "expected two axes: stimuli x voxels"
_TILE = 512  # columns transposed at once, so that their rows stay in the processor's cache


def open_matrix(path: Path) -> Matrix:
    """Open a file of stimuli x voxels by its suffix; DataError if it is damaged or holds anything else."""
    if path.suffix == ".npy":
        return _of_npy(path)
    if path.suffix == ".parquet":
        return _of_parquet(path)
    if path.suffix in (".h5", ".hdf5"):
        return _of_hdf5(path)
    return held(path, read_numbers(path))


def _of_npy(path: Path) -> Matrix:
    array = open_npy(path)
    rows, voxels = _two_axes(path, array.shape)
    by_row = array.flags.c_contiguous

    def blocks(size: int) -> Iterator[np.ndarray]:
        for start in range(0, rows, size):
            # Opened anew for every block, so that what was read does not stay mapped.
            block = open_npy(path)[start : start + size]
            yield block if by_row else _transposed(block)

    return Matrix(path, (rows, voxels), blocks, array if by_row and array.dtype == np.float32 else None)


def _transposed(block: np.ndarray) -> np.ndarray:
    """Rows of an array that lies column by column, as float32 row by row."""
    found = np.empty(block.shape, np.float32)
    with np.errstate(over="ignore"):
        for start in range(0, block.shape[1], _TILE):
            found[:, start : start + _TILE] = block[:, start : start + _TILE]
    return found


def _of_parquet(path: Path) -> Matrix:
    import pyarrow.parquet as parquet
    import pyarrow.types as types

    try:
        with parquet.ParquetFile(path) as file:
            schema, rows = file.schema_arrow, file.metadata.num_rows
    except Exception as problem:  # a damaged file makes readers raise nearly anything
        raise _damaged(path, "Parquet", problem) from problem
    # pandas writes an index that is more than 0, 1, 2 ... as a column too.
    index = {name for name in (schema.pandas_metadata or {}).get("index_columns", ()) if isinstance(name, str)}
    voxels = [name for name in schema.names if name not in index]
    for name in voxels:
        kind = schema.field(name).type
        if not (types.is_floating(kind) or types.is_integer(kind) or types.is_boolean(kind)):
            raise DataError(f"{path}: column {name!r} holds {kind} values; one column of numbers a voxel is wanted")
    if not rows or not voxels:
        raise DataError(f"{path} is an empty table of {rows} rows and {len(voxels)} columns")

    def blocks(size: int) -> Iterator[np.ndarray]:
        try:
            with parquet.ParquetFile(path) as file:
                for batch in file.iter_batches(batch_size=size, columns=voxels):
                    yield np.column_stack([c.to_numpy(zero_copy_only=False) for c in batch.columns])
        except Exception as problem:
            raise _damaged(path, "Parquet", problem) from problem

    return Matrix(path, (rows, len(voxels)), blocks)


def _of_hdf5(path: Path) -> Matrix:
    import h5py

    try:
        with h5py.File(path) as file:
            name = _dataset(path, file)
            shape, dtype = file[name].shape, file[name].dtype
    except DataError:
        raise
    except Exception as problem:
        raise _damaged(path, "HDF5", problem) from problem
    if dtype.kind not in "fiub":
        raise DataError(f"{path}: dataset {name} holds {dtype} values; save plain numbers")
    rows, voxels = _two_axes(path, shape)

    def blocks(size: int) -> Iterator[np.ndarray]:
        try:
            with h5py.File(path) as file:
                for start in range(0, rows, size):
                    yield file[name][start : start + size]
        except OSError as problem:
            raise _damaged(path, "HDF5", problem) from problem

    return Matrix(path, (rows, voxels), blocks)


def _dataset(path: Path, file: Any) -> str:
    """The dataset named ``responses``, or the only one with two axes."""
    import h5py

    found: dict[str, tuple[int, ...]] = {}
    file.visititems(lambda name, item: found.update({name: item.shape}) if isinstance(item, h5py.Dataset) else None)
    flat = [name for name, shape in found.items() if len(shape) == 2]
    if "responses" in found:
        return "responses"
    if len(flat) != 1:
        there = ", ".join(f"{name} {shape}" for name, shape in found.items()) or "nothing"
        raise DataError(f"{path} holds {there}: name the one of stimuli x voxels 'responses'")
    return flat[0]


def _two_axes(path: Path, shape: tuple[int, ...]) -> tuple[int, int]:
    if len(shape) != 2:
        raise DataError(f"{path} has shape {shape}, {_AXES}")
    if 0 in shape:
        raise DataError(f"{path} is an empty array of shape {shape}")
    return shape[0], shape[1]


def _damaged(path: Path, kind: str, problem: Exception) -> DataError:
    brief = (str(problem) or type(problem).__name__).splitlines()[0]
    return DataError(f"{path} cannot be read as {kind} ({brief}): it may be truncated; copy or save it again")
