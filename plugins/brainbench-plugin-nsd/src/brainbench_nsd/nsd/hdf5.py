"""Opening HDF5 files: damage and absence are named."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from brainbench import DataError


@contextmanager
def open_hdf5(path: Path, name: str, axes: str) -> Iterator[Any]:
    """The array ``name`` of one file, closed at the end. axes: their names, for the message about an array of other axes.

    Opened anew each time, so that it may be called from several threads (h5py lets in one at a time) and after a fork.
    Raises DataError for a file that is missing, truncated or damaged, also while it is read.
    """
    import h5py

    if not path.is_file():
        raise DataError(f"no {path}: fetch it from the release (docs/data/nsd.md)")
    try:
        with h5py.File(path, "r") as file:
            array = file.get(name)
            if not isinstance(array, h5py.Dataset):
                raise DataError(f"{path} holds no array {name}: it must be NSD's own")
            if array.ndim != len(axes.split(" x ")):
                raise DataError(f"{path}: {name} has shape {array.shape}, expected {axes}")
            yield array
    except OSError as problem:
        reason = str(problem).splitlines()[0]
        raise DataError(f"{path} cannot be read ({reason}): it is truncated or damaged, copy it again") from problem
