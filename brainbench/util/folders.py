"""The folders of results, boards and the cache."""

from __future__ import annotations

import os
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from brainbench.errors import StoreError
from brainbench.util.files import locked, storage, write_atomically

_MARK = ".runs/mark"


@dataclass(frozen=True)
class Folders:
    """The folders of one run."""

    results: Path
    leaderboards: Path
    cache: Path

    @property
    def features(self) -> Path:
        """The folder of the feature store's groups."""
        return self.cache / "features"

    def absolute(self) -> Folders:
        """The same, for a process whose working folder is another one."""
        return Folders(self.results.absolute(), self.leaderboards.absolute(), self.cache.absolute())

    def prepare(self) -> None:
        """Make the folders, try to write in each and mark the results. Raises StoreError, naming one that cannot be used."""
        for folder in (self.results, self.leaderboards, self.features):
            with storage(folder):
                folder.mkdir(parents=True, exist_ok=True)
                with tempfile.TemporaryFile(dir=folder) as probe:
                    probe.write(b"brainbench")
                    probe.flush()
        mark = self.results / _MARK
        with storage(self.results), self.locked(self.results, "mark"):
            if not mark.exists():
                mark.parent.mkdir(exist_ok=True)
                write_atomically(mark, uuid.uuid4().hex.encode())

    def mark(self) -> str:
        """Return the text that only this results folder has, so that another machine can tell whether it is the same folder.

        Empty if there is none.
        """
        mark = self.results / _MARK
        return mark.read_text() if mark.exists() else ""

    @contextmanager
    def locked(self, folder: Path, key: str, *, wait: bool = True) -> Iterator[None]:
        """Hold the lock of one key, so that two runs never do the same work; it goes with the process, however that ends.

        Raises TakenError if another process holds it, unless ``wait``.
        """
        lock, held = lock_file(folder, key), ExitStack()
        with storage(lock.parent):
            held.enter_context(locked(lock, wait=wait))
        with held:
            yield


def lock_file(folder: Path, key: str) -> Path:
    """Return the file that ``Folders.locked`` locks."""
    return folder / ".locks" / f"{key[:32]}.lock"


def default_cache() -> Path:
    """``$BRAINBENCH_CACHE``, else ``$XDG_CACHE_HOME/brainbench``, else ``~/.cache/brainbench``."""
    if given := os.environ.get("BRAINBENCH_CACHE"):
        return Path(given).expanduser()
    base = os.environ.get("XDG_CACHE_HOME")
    place = Path(base) if base else home()
    if place is None:
        raise StoreError("this user has no home folder to keep a cache in: set BRAINBENCH_CACHE to a folder")
    return (place if base else place / ".cache") / "brainbench"


def home() -> Path | None:
    """Return the user's home folder; None for a user without one, such as an unknown number in a container."""
    try:
        return Path.home()
    except RuntimeError:
        return None
