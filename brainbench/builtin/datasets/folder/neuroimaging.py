"""Reading NIfTI, MGH and GIFTI: volumes, surface data, and responses in either, row by row."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from brainbench import DataError
from brainbench.builtin.datasets.folder.grids import Grid, turn
from brainbench.builtin.datasets.folder.matrices import Matrix, held
from brainbench.datasets import advice

_PACKED = (".gz", ".mgz")
_BLOCK = 2**24  # figures of a volume read at once


def read_volume(path: Path) -> tuple[np.ndarray, Grid]:
    """([X, Y, Z] values, where they are) of a NIfTI or MGH volume, also of one stored as [X, Y, Z, 1].

    Raises DataError for a damaged file, another number of axes, and surface data.
    """
    data, grid = _open(path)
    _refuse_surface(path, data)
    if len(data.shape) < 3 or any(length != 1 for length in data.shape[3:]):
        raise DataError(f"{path} has shape {data.shape}, expected one volume of three axes")
    return _figures(path, data, ...).reshape(data.shape[:3]), grid


def read_grid(path: Path) -> Grid:
    """Where the voxels of a volume are, from its header."""
    return _open(path)[1]


def volume_rows(path: Path, mask: np.ndarray, grid: Grid) -> Matrix:
    """Responses in a 4-D volume, the last axis one stimulus a volume, as [R, V]: V voxels of ``mask`` [X, Y, Z], in C order.

    grid: where the mask's voxels are. Raises DataError for a damaged file and for volumes on another grid.
    """
    data, own = _open(path)
    _refuse_surface(path, data)
    shape = data.shape
    if len(shape) < 4 or any(length != 1 for length in shape[3:-1]):
        raise DataError(f"{path} has shape {shape}, expected {(*mask.shape, 'stimuli')}: volumes of the mask's shape")
    if len(shape) == 4 and shape[:3] != mask.shape == shape[1:]:
        raise DataError(f"{path} has shape {shape}: its stimuli go along the first axis; write them along the last")
    orientation = grid.orientation_of(own, moved=grid)
    rows = shape[-1]

    def blocks(size: int) -> Iterator[np.ndarray]:
        data, step = _open(path)[0], min(size, max(1, _BLOCK // mask.size))
        for start in range(0, rows, step):
            block = _figures(path, data, (..., slice(start, min(start + step, rows))))
            yield turn(block.reshape(*shape[:3], -1), orientation)[mask].T

    return Matrix(path, (rows, int(mask.sum())), blocks)


def read_surface_data(path: Path) -> np.ndarray:
    """One figure a vertex, [n], of an MGH or GIFTI file; DataError for a damaged file, a volume, a mesh and several maps."""
    if path.suffix == ".gii":
        maps = _maps(path)
    else:
        data, _ = _open(path)
        maps = _figures(path, data, ...).reshape(_vertices(path, data), -1).T
    if len(maps) != 1:
        raise DataError(f"{path} holds {len(maps)} figures a vertex, expected one")
    return np.asarray(maps[0])


def surface_rows(path: Path) -> Matrix:
    """Responses of one hemisphere, [R, n vertices]: the frames of an MGH file or the data arrays of a GIFTI file.

    Raises DataError for a damaged file, a volume and a mesh.
    """
    if path.suffix == ".gii":
        return held(path, _maps(path))
    data, _ = _open(path)
    vertices = _vertices(path, data)
    rows = math.prod(data.shape) // vertices

    def blocks(size: int) -> Iterator[np.ndarray]:
        data, _ = _open(path)
        if rows == 1:
            yield _figures(path, data, ...).reshape(1, vertices)
            return
        for start in range(0, rows, size):
            yield _figures(path, data, (..., slice(start, min(start + size, rows)))).reshape(vertices, -1).T

    return Matrix(path, (rows, vertices), blocks)


def _open(path: Path) -> tuple[Any, Grid]:
    """The values of a NIfTI or MGH file, which nibabel reads where they are indexed, and where its voxels are."""
    from nibabel.arrayproxy import ArrayProxy
    from nibabel.freesurfer.mghformat import MGHHeader
    from nibabel.loadsave import load
    from nibabel.openers import ImageOpener

    packed = path.suffix in _PACKED
    # Kept open, a compressed file is read forwards once and not from its beginning for every block.
    options = {"keep_file_open": True} if packed else {}
    try:
        if path.suffix in (".mgh", ".mgz"):
            # nibabel's own loader would leave the file open.
            with ImageOpener(str(path)) as file:
                header = MGHHeader.from_fileobj(file)  # type: ignore[no-untyped-call]
            # Its sizes are 32-bit figures, whose product runs over in large files.
            shape = tuple(int(size) for size in header.get_data_shape())
            spec = (shape, header.get_data_dtype(), header.get_data_offset())
            data: Any = ArrayProxy(str(path), spec, **options)  # type: ignore[no-untyped-call]
            affine, placed = header.get_affine(), bool(header["goodRASFlag"])
        else:
            image: Any = load(path, **options)
            data, affine = image.dataobj, image.affine
            codes = [image.header[code] for code in ("sform_code", "qform_code") if code in image.header]
            placed = not codes or any(int(code) for code in codes)
    except Exception as problem:  # a damaged file makes readers raise nearly anything
        raise _damaged(path, problem) from problem
    needed, stored = data.offset + math.prod(data.shape) * data.dtype.itemsize, path.stat().st_size
    if stored < needed and not packed:
        raise DataError(f"{path} is truncated: {stored} of {needed} bytes are there; copy or save it again")
    if 0 in data.shape:
        raise DataError(f"{path} is empty: its shape is {data.shape}")
    return data, Grid(path, tuple(data.shape[:3]), np.asarray(affine), placed)


def _refuse_surface(path: Path, data: Any) -> None:
    if len(data.shape) < 3 or data.shape[1:3] == (1, 1):
        raise DataError(f"{path} has shape {data.shape}: that is surface data, where a volume (x, y, z) is wanted")


def _vertices(path: Path, data: Any) -> int:
    if data.shape[1:3] != (1, 1):
        raise DataError(
            f"{path} has shape {data.shape}: that is a volume, where surface data (vertices, 1, 1) are wanted"
        )
    return int(data.shape[0])


def _figures(path: Path, data: Any, index: Any) -> np.ndarray:
    try:
        return np.asarray(data[index])
    except Exception as problem:
        raise _damaged(path, problem) from problem


def _maps(path: Path) -> np.ndarray:
    """The data arrays of a GIFTI file, [maps, n]."""
    from nibabel.gifti.gifti import GiftiImage

    try:
        arrays = GiftiImage.from_filename(path).darrays  # type: ignore[no-untyped-call]
    except Exception as problem:
        raise _damaged(path, problem) from problem
    maps = [np.asarray(array.data) for array in arrays]
    shapes = {array.shape for array in maps}
    if len(shapes) != 1 or len(maps[0].shape) != 1:
        found = ", ".join(map(str, sorted(shapes))) or "nothing"
        raise DataError(
            f"{path} holds arrays of shape {found}, expected one figure a vertex (a mesh goes into surface/)"
        )
    return np.stack(maps)


def _damaged(path: Path, problem: Exception) -> DataError:
    brief = (str(problem) or type(problem).__name__).splitlines()[0]
    cure = advice(path, "it may be truncated; copy it again")
    return DataError(f"{path} cannot be read as NIfTI, MGH or GIFTI ({brief}): {cure}")
