"""Responses in arrays and tables, by the suffix of their file: one ``Matrix`` a file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from brainbench.builtin.datasets.folder.containers import open_hdf5, open_mat, open_npz, open_zarr
from brainbench.builtin.datasets.folder.matrices import Matrix, two_axes
from brainbench.builtin.datasets.folder.tabular import open_feather, open_parquet, open_text, open_workbook
from brainbench.datasets import open_npy

_TILE = 512  # columns transposed at once, so that their rows stay in the processor's cache


def open_matrix(path: Path) -> Matrix:
    """Open a file of stimuli x voxels by its suffix; DataError if it is damaged or holds anything else."""
    return next(reader for suffix, reader in READERS.items() if path.name.endswith(f".{suffix}"))(path)


def _open_npy(path: Path) -> Matrix:
    array = open_npy(path)
    rows, voxels = two_axes(path, array.shape)
    by_row = array.flags.c_contiguous

    def blocks(size: int) -> Iterator[np.ndarray]:
        for start in range(0, rows, size):
            # Opened anew for every block, so that what was read does not stay mapped.
            block = open_npy(path)[start : start + size]
            yield block if by_row else _transposed(block)

    return Matrix(path, (rows, voxels), blocks, array if by_row and array.dtype == np.float32 else None)


def _transposed(block: np.ndarray) -> np.ndarray:
    """Rows of an array that is stored column by column, as float32 row by row."""
    found = np.empty(block.shape, np.float32)
    with np.errstate(over="ignore"):
        for start in range(0, block.shape[1], _TILE):
            found[:, start : start + _TILE] = block[:, start : start + _TILE]
    return found


READERS: dict[str, Callable[[Path], Matrix]] = {
    "npy": _open_npy,
    "npz": open_npz,
    "csv": open_text,
    "tsv": open_text,
    "txt": open_text,
    "csv.gz": open_text,
    "tsv.gz": open_text,
    "parquet": open_parquet,
    "feather": open_feather,
    "xlsx": open_workbook,
    "h5": open_hdf5,
    "hdf5": open_hdf5,
    "mat": open_mat,
    "zarr": open_zarr,
}
