"""Files written whole or not at all; and what a full or read-only disk becomes."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from brainbench.errors import StoreError

_REASONS = {
    errno.ENOSPC: "the disk is full: free some space",
    errno.EDQUOT: "the disk quota is used up: free some space",
    errno.EROFS: "the file system is read-only: choose another folder",
    errno.EACCES: "permission denied: choose another folder",
    errno.EPERM: "permission denied: choose another folder",
    errno.ENOTDIR: "a file stands where a folder is needed: choose another folder",
    errno.EEXIST: "a file stands where a folder is needed: choose another folder",
    errno.EFBIG: "the file would be larger than this system allows",
}


@contextmanager
def storage(place: Path) -> Iterator[None]:
    """Turn what a full, read-only or forbidden disk raises into a StoreError that names ``place`` and the way out."""
    try:
        yield
    except OSError as error:
        if error.errno in _REASONS:
            raise StoreError(f"cannot write {error.filename or place}: {_REASONS[error.errno]}") from error
        raise


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that a reader, or a kill, sees the old one or the new one. The caller holds the lock it is written under."""
    building = path.with_name(f".{path.name}.new")
    try:
        with building.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        building.replace(path)
    finally:
        building.unlink(missing_ok=True)
