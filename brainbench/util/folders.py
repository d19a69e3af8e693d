"""Where things are kept: results, boards and the cache; locks; and what a full or read-only disk becomes."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

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


@dataclass(frozen=True)
class Places:
    """The folders of one run."""

    results: Path
    leaderboards: Path
    cache: Path

    @property
    def features(self) -> Path:
        """Where the feature store keeps its groups."""
        return self.cache / "features"

    def prepare(self) -> None:
        """Make the folders and try to write in each; raises StoreError naming the one that cannot be used."""
        for folder in (self.results, self.leaderboards, self.features):
            with storage(folder):
                folder.mkdir(parents=True, exist_ok=True)
                probe = folder / f".probe.{os.getpid()}"
                probe.write_bytes(b"brainbench")
                probe.unlink()

    @contextmanager
    def locked(self, folder: Path, key: str) -> Iterator[None]:
        """Hold the lock of one key, so that two runs never do the same work; it goes with the process, however that ends."""
        locks = folder / ".locks"
        with storage(locks):
            locks.mkdir(exist_ok=True)
        with FileLock(locks / f"{key[:32]}.lock"):
            yield


def default_cache() -> Path:
    """``$BRAINBENCH_CACHE``, else ``$XDG_CACHE_HOME/brainbench``, else ``~/.cache/brainbench``."""
    if given := os.environ.get("BRAINBENCH_CACHE"):
        return Path(given).expanduser()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "brainbench"


@contextmanager
def storage(place: Path) -> Iterator[None]:
    """Turn what a full, read-only or forbidden disk raises into a StoreError that names ``place`` and the way out."""
    try:
        yield
    except OSError as error:
        if error.errno in _REASONS:
            raise StoreError(f"cannot write {error.filename or place}: {_REASONS[error.errno]}") from error
        raise
