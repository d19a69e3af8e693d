"""Opening FreeSurfer and NIfTI files: damage is named, and so is a volume where a surface was expected."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from brainbench import DataError


def read_vertices(path: Path) -> np.ndarray:
    """One figure a vertex, [n], from .mgh or .mgz; DataError for a volume."""
    from nibabel.freesurfer.mghformat import MGHImage

    with _named(path):
        content = path.read_bytes()
        image = MGHImage.from_bytes(gzip.decompress(content) if path.suffix == ".mgz" else content)
        values = np.asarray(image.dataobj)
    if values.shape[1:3] != (1, 1) or values.shape[3:] not in ((), (1,)):
        raise DataError(f"{path} has shape {values.shape}, expected vertices x 1 x 1: a surface, not a volume")
    return values.reshape(-1)


def map_trials(path: Path) -> np.ndarray:
    """The betas of one hemisphere and session, [trials, n] float32 (big-endian), mapped as they lie in an .mgh file."""
    from nibabel.freesurfer.mghformat import MGHHeader

    with _named(path), path.open("rb") as file:
        header = MGHHeader.from_fileobj(file)  # type: ignore[no-untyped-call]
        shape = tuple(map(int, header.get_data_shape()))
        kind, offset = header.get_data_dtype(), int(header.get_data_offset())
    if len(shape) < 3 or shape[1:3] != (1, 1):
        raise DataError(f"{path} has shape {shape}, expected vertices x 1 x 1 x trials: a surface, not a volume")
    if kind != np.dtype(">f4"):
        raise DataError(f"{path} holds {kind} values, expected NSD's own float32")
    vertices, trials = shape[0], (*shape, 1)[3]
    stored, needed = path.stat().st_size, offset + 4 * vertices * trials
    if stored < needed:
        raise DataError(f"{path} is truncated: {stored} of {needed} bytes are there; copy it again")
    return np.memmap(path, ">f4", "r", offset, (trials, vertices))


def read_volume(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """One figure a voxel, [X, Y, Z], and the affine [4, 4] from voxel indices to mm."""
    image = open_nifti(path)
    if len(image.shape) != 3:
        raise DataError(f"{path} has shape {image.shape}, expected three axes: a volume")
    return read_values(path, image), np.asarray(image.affine)


def open_nifti(path: Path) -> Any:
    """A nibabel image, its values not yet read; DataError for a file that is missing or no NIfTI."""
    from nibabel import Nifti1Image

    with _named(path):
        # Kept open, so that a compressed file is unpacked once when it is read piece by piece.
        return Nifti1Image.from_filename(path, keep_file_open=True)


def read_values(path: Path, image: Any, part: Any = ...) -> np.ndarray:
    """The values of an image, or a part of them; DataError if the file ends before they do."""
    with _named(path):
        return np.asarray(image.dataobj[part])


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Turn whatever a reader raises into a DataError that names the file."""
    if not path.is_file():
        raise DataError(f"no {path}: fetch it from the release (docs/data/nsd.md)")
    try:
        yield
    except Exception as problem:  # a damaged file makes readers raise nearly anything
        reason = (str(problem) or type(problem).__name__).splitlines()[0]
        raise DataError(
            f"{path} cannot be read, it is truncated, damaged or of another kind ({reason}): copy it again"
        ) from problem
