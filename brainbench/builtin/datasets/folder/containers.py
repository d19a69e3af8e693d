"""Responses in files that hold several named arrays: HDF5, MATLAB, npz and zarr. The one meant is named, or the only one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from brainbench import DataError
from brainbench.builtin.datasets.folder.matrices import Matrix, damaged, held, two_axes

Shape = tuple[int, ...]
_MATLAB_73 = b"MATLAB 7.3"  # how such a file begins; it is HDF5
_MATLAB_ARRAYS = (
    "double",
    "single",
    "logical",
    *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)),
)


def open_hdf5(path: Path) -> Matrix:
    """The dataset named ``responses``, or the only one with two axes."""
    return _of_hdf5(path, matlab=False)


def open_mat(path: Path) -> Matrix:
    """A MATLAB file of any version: the variable named ``responses``, or the only matrix."""
    try:
        with path.open("rb") as file:
            matlab_73 = file.read(len(_MATLAB_73)) == _MATLAB_73
    except OSError as problem:
        raise DataError(f"{path} cannot be read: {problem.strerror}") from problem
    return _of_hdf5(path, matlab=True) if matlab_73 else _of_old_mat(path)


def open_npz(path: Path) -> Matrix:
    """The array named ``responses``, or the only one with two axes; read whole."""
    try:
        with np.load(path, allow_pickle=False) as file:
            name = choose(path, {key: file[key].shape for key in file.files})
            values = file[name]
    except DataError:
        raise
    except Exception as problem:  # a damaged file makes readers raise nearly anything
        if "allow_pickle" in str(problem):
            raise DataError(f"{path} holds Python objects: save plain numbers with numpy.savez") from problem
        raise damaged(path, "npz", problem) from problem
    return _held(path, name, values)


def open_zarr(path: Path) -> Matrix:
    """A zarr array, or the array of a group that is named ``responses`` or the only one with two axes."""
    import zarr

    try:
        node = zarr.open(path, mode="r")
        if isinstance(node, zarr.Group):
            arrays = {name: item for name, item in node.members(max_depth=None) if isinstance(item, zarr.Array)}
            node = arrays[choose(path, {name: array.shape for name, array in arrays.items()})]
    except DataError:
        raise
    except Exception as problem:
        raise damaged(path, "zarr", problem) from problem
    array: Any = node
    _refuse_kind(path, "its array", array.dtype)
    rows, voxels = two_axes(path, array.shape)

    def blocks(size: int) -> Iterator[np.ndarray]:
        try:
            for start in range(0, rows, size):
                yield np.asarray(array[start : start + size])
        except Exception as problem:
            raise damaged(path, "zarr", problem) from problem

    return Matrix(path, (rows, voxels), blocks)


def _of_old_mat(path: Path) -> Matrix:
    from scipy.io import loadmat, whosmat

    try:
        shapes = {name: shape for name, shape, kind in whosmat(path) if kind in _MATLAB_ARRAYS}
        name = choose(path, shapes, matlab=True)
        values = loadmat(path, variable_names=[name])[name]
    except DataError:
        raise
    except Exception as problem:
        raise damaged(path, "a MATLAB file", problem) from problem
    return _held(path, name, values)


def _held(path: Path, name: str, values: np.ndarray) -> Matrix:
    _refuse_kind(path, name, values.dtype)
    two_axes(path, values.shape)
    return held(path, values)


def _of_hdf5(path: Path, matlab: bool) -> Matrix:
    """matlab: stored by MATLAB, which counts axes from the other end, so that its matrices are transposed in HDF5."""
    import h5py

    turn = -1 if matlab else 1
    try:
        with h5py.File(path) as file:
            name = choose(path, {key: shape[::turn] for key, shape in _datasets(file, matlab).items()}, matlab)
            shape, dtype = file[name].shape[::turn], file[name].dtype
    except DataError:
        raise
    except Exception as problem:
        raise _refused(path, problem) from problem
    _refuse_kind(path, f"dataset {name}", dtype)
    rows, voxels = two_axes(path, shape)

    def blocks(size: int) -> Iterator[np.ndarray]:
        try:
            with h5py.File(path) as file:
                for start in range(0, rows, size):
                    some = slice(start, start + size)
                    yield file[name][:, some].T if matlab else file[name][some]
        except OSError as problem:
            raise _refused(path, problem) from problem

    return Matrix(path, (rows, voxels), blocks)


def _datasets(file: Any, matlab: bool) -> dict[str, Shape]:
    import h5py

    found: dict[str, Shape] = {}

    def keep(name: str, item: Any) -> None:
        kind = item.attrs.get("MATLAB_class", b"double") if matlab else b"double"
        if isinstance(item, h5py.Dataset) and not name.startswith("#") and bytes(kind).decode() in _MATLAB_ARRAYS:
            found[name] = item.shape

    file.visititems(keep)
    return found


def choose(path: Path, shapes: Mapping[str, Shape], matlab: bool = False) -> str:
    """The name of the array of stimuli x voxels: ``responses``, or the only one with two axes; DataError if neither is there.

    matlab: numbers and lists have two axes as well, so a matrix is what is longer than one along both, if there is one.
    """
    flat = [name for name, shape in shapes.items() if len(shape) == 2]
    if matlab:
        flat = [name for name in flat if min(shapes[name]) > 1] or flat
    if "responses" in shapes:
        return "responses"
    if len(flat) != 1:
        if not shapes:
            other = " (structures, cells and sparse matrices are not read)" if matlab else ""
            raise DataError(f"{path} holds no array of numbers{other}: save one of stimuli x voxels")
        there = ", ".join(f"{name} {shape}" for name, shape in sorted(shapes.items()))
        raise DataError(f"{path} holds {there}: name the one of stimuli x voxels 'responses'")
    return flat[0]


def _refuse_kind(path: Path, name: str, dtype: np.dtype) -> None:
    if dtype.kind not in "fiub":
        raise DataError(f"{path}: {name} holds {dtype} values; save plain numbers")


def _refused(path: Path, problem: Exception) -> DataError:
    if "unable to lock file" in str(problem):
        return DataError(f"{path} is locked: another program has it open for writing; close it there, or read a copy")
    return damaged(path, "HDF5", problem)
