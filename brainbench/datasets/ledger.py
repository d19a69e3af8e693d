"""What was found out about a file, remembered for as long as its size, times of change and inode stay the same."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import PIL

from brainbench.errors import DataError, StoreError
from brainbench.util.files import file_state, locked, write_atomically
from brainbench.util.hashing import digest

Fact = dict[str, Any]
# Another Pillow may decode a jpeg to other pixels; 3 is the format of this file.
_EDITION = f"3, Pillow {PIL.__version__}"


class Ledger:
    """Facts about the files of one dataset, kept as JSON in the cache folder. Only what went well is remembered."""

    def __init__(self, cache: Path, root: Path) -> None:
        name = content_digest(os.fsencode(root.resolve()))[:16]
        self._path = cache / "files" / f"{name}.json"
        self._facts = _read(self._path)
        self._new: dict[str, Any] = {}

    def examine(self, kind: str, paths: Iterable[Path], look: Callable[[Path], Fact]) -> list[Fact]:
        """``look(path)`` for every path, in order; in threads, and only for files that are new or changed.

        Raises the DataError of the first file with which ``look`` had trouble, and says how many more there are.
        """
        paths = list(paths)
        keys = [f"{kind}:{path.absolute()}" for path in paths]
        states = [_state(path) for path in paths]
        fresh = [i for i, key in enumerate(keys) if self._facts.get(key, [None])[0] != states[i]]
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            found = list(pool.map(lambda i: _attempt(look, paths[i]), fresh))
        for i, fact in zip(fresh, found, strict=True):
            if not isinstance(fact, DataError):
                self._facts[keys[i]] = self._new[keys[i]] = [states[i], fact]
        trouble = [fact for fact in found if isinstance(fact, DataError)]
        if trouble:
            more = f" (and {len(trouble) - 1} more such files)" if len(trouble) > 1 else ""
            raise DataError(f"{trouble[0]}{more}")
        return [self._facts[key][1] for key in keys]

    def digest(self, path: Path) -> str:
        """sha256 of the bytes of one file; of a folder, such as a zarr array, of the names and bytes of all its files."""
        if not path.is_dir():
            return str(self.examine("file", [path], _file_digest)[0]["digest"])
        files = sorted(file for file in path.rglob("*") if file.is_file())
        facts = self.examine("file", files, _file_digest)
        lines = (
            f"{file.relative_to(path).as_posix()} {fact['digest']}" for file, fact in zip(files, facts, strict=True)
        )
        return content_digest("\n".join(lines).encode())

    def save(self) -> None:
        """Add the new facts to those that other processes wrote; StoreError if the cache folder cannot be written."""
        if not self._new:
            return
        with cache_refuses(self._path), locked(self._path.with_suffix(".lock")):
            content = {"edition": _EDITION, "facts": _read(self._path) | self._new}
            write_atomically(self._path, json.dumps({"sha256": digest(content)} | content).encode())
        self._new = {}


@contextmanager
def cache_refuses(path: Path) -> Iterator[None]:
    """Turn the disk's refusal to write a file of the cache into a StoreError that says what to do."""
    try:
        yield
    except OSError as problem:
        message = f"cannot write {path} ({problem.strerror}): free space there, or move the cache"
        raise StoreError(f"{message} with BRAINBENCH_CACHE") from problem


def content_digest(*parts: bytes) -> str:
    """sha256 of the parts, one after the other."""
    content = hashlib.sha256()
    for part in parts:
        content.update(part)
    return content.hexdigest()


def _read(path: Path) -> dict[str, Any]:
    # A ledger that is damaged or of another edition is no loss: every file is looked at again.
    try:
        content = json.loads(path.read_bytes())
        sound = content.pop("sha256") == digest(content) and content["edition"] == _EDITION
        return dict(content["facts"]) if sound else {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _state(path: Path) -> list[int]:
    try:
        return [*file_state(path)]
    except OSError as problem:
        raise DataError(f"{path} cannot be read: {problem.strerror}") from problem


def _attempt(look: Callable[[Path], Fact], path: Path) -> Fact | DataError:
    try:
        return look(path)
    except DataError as problem:
        return problem


def _file_digest(path: Path) -> Fact:
    try:
        with path.open("rb") as file:
            return {"digest": hashlib.file_digest(file, "sha256").hexdigest()}
    except OSError as problem:
        raise DataError(f"{path} cannot be read: {problem.strerror}") from problem
