"""Reading NIfTI, MGH and GIFTI: volumes, surface data, and responses in either, row by row."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from brainbench import DataError
from brainbench.builtin.datasets.folder.matrices import Matrix, held

_BLOCK = 2**24  # figures of a volume read at once


def read_volume(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """([X, Y, Z] values, [4, 4] affine to mm) of a NIfTI or MGH volume.

    Raises DataError for a damaged file, another number of axes, and surface data.
    """
    image = _open(path)
    shape = _shape(path, image)
    if len(shape) == 4 and shape[3] == 1:
        shape = shape[:3]
    if len(shape) != 3:
        raise DataError(f"{path} has shape {shape}, expected one volume of three axes")
    return _figures(path, image, ...).reshape(shape), np.asarray(image.affine)


def volume_rows(path: Path, mask: np.ndarray) -> Matrix:
    """Responses in a 4-D volume, the last axis one stimulus a volume, as [R, V]: V voxels of ``mask`` [X, Y, Z], in C order.

    Raises DataError for a damaged file and for volumes of another shape than the mask.
    """
    image = _open(path)
    shape = _shape(path, image)
    if len(shape) != 4 or shape[:3] != mask.shape:
        raise DataError(f"{path} has shape {shape}, expected {(*mask.shape, 'stimuli')}: volumes of the mask's shape")
    rows = shape[3]

    def blocks(size: int) -> Iterator[np.ndarray]:
        image, step = _open(path), min(size, max(1, _BLOCK // mask.size))
        for start in range(0, rows, step):
            yield _figures(path, image, (..., slice(start, min(start + step, rows))))[mask].T

    return Matrix(path, (rows, int(mask.sum())), blocks)


def read_surface_data(path: Path) -> np.ndarray:
    """One figure a vertex, [n], of an MGH or GIFTI file; DataError for a damaged file, a volume, a mesh and several maps."""
    if path.suffix == ".gii":
        maps = _maps(path)
    else:
        image = _open(path)
        maps = _figures(path, image, ...).reshape(_vertices(path, image), -1).T
    if len(maps) != 1:
        raise DataError(f"{path} holds {len(maps)} figures a vertex, expected one")
    return np.asarray(maps[0])


def surface_rows(path: Path) -> Matrix:
    """Responses of one hemisphere, [R, n vertices]: the frames of an MGH file or the data arrays of a GIFTI file.

    Raises DataError for a damaged file, a volume and a mesh.
    """
    if path.suffix == ".gii":
        return held(path, _maps(path))
    image = _open(path)
    vertices = _vertices(path, image)
    rows = math.prod(_shape(path, image)) // vertices

    def blocks(size: int) -> Iterator[np.ndarray]:
        image = _open(path)
        if rows == 1:
            yield _figures(path, image, ...).reshape(1, vertices)
            return
        for start in range(0, rows, size):
            yield _figures(path, image, (..., slice(start, min(start + size, rows)))).reshape(vertices, -1).T

    return Matrix(path, (rows, vertices), blocks)


def _open(path: Path) -> Any:
    import nibabel

    packed = path.suffix in (".gz", ".mgz")
    # Kept open, so that a compressed file is read forwards once and not from its beginning for every block.
    options = {"keep_file_open": True} if packed else {}
    try:
        image: Any = nibabel.load(path, **options)
    except Exception as problem:  # a damaged file makes readers raise nearly anything
        raise _damaged(path, problem) from problem
    if not packed and path.suffix != ".gii":
        needed = image.dataobj.offset + math.prod(image.shape) * image.get_data_dtype().itemsize
        stored = path.stat().st_size
        if stored < needed:
            raise DataError(f"{path} is truncated: {stored} of {needed} bytes are there; copy or save it again")
    return image


def _shape(path: Path, image: Any) -> tuple[int, ...]:
    """Its shape, which for surface data in a place for volumes, or the reverse, is one line; see ``_vertices``."""
    shape = tuple(int(size) for size in image.shape)
    if 0 in shape:
        raise DataError(f"{path} is empty: its shape is {shape}")
    volume = path.name.endswith((".nii", ".nii.gz"))
    if volume and (len(shape) < 3 or shape[1:3] == (1, 1)):
        raise DataError(f"{path} has shape {shape}: that is surface data, where a volume (x, y, z) is wanted")
    return shape


def _vertices(path: Path, image: Any) -> int:
    shape = _shape(path, image)
    if shape[1:3] != (1, 1):
        raise DataError(f"{path} has shape {shape}: that is a volume, where surface data (vertices, 1, 1) are wanted")
    return shape[0]


def _figures(path: Path, image: Any, index: Any) -> np.ndarray:
    try:
        return np.asarray(image.dataobj[index])
    except Exception as problem:
        raise _damaged(path, problem) from problem


def _maps(path: Path) -> np.ndarray:
    """The data arrays of a GIFTI file, [maps, n]."""
    maps = [np.asarray(array.data) for array in _open(path).darrays]
    shapes = {array.shape for array in maps}
    if len(shapes) != 1 or len(maps[0].shape) != 1:
        found = ", ".join(map(str, sorted(shapes))) or "nothing"
        raise DataError(
            f"{path} holds arrays of shape {found}, expected one figure a vertex (a mesh goes into surface/)"
        )
    return np.stack(maps)


def _damaged(path: Path, problem: Exception) -> DataError:
    brief = (str(problem) or type(problem).__name__).splitlines()[0]
    return DataError(f"{path} cannot be read as NIfTI, MGH or GIFTI ({brief}): it may be truncated; copy it again")
