"""Atomic writes, locks, and errors of a full or read-only disk."""

from __future__ import annotations

import errno
import fcntl
import glob
import os
import shutil
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from filelock import FileLock, Timeout

from brainbench.errors import StoreError

_DRAFT = ".draft"
# A draft that has not been written to for this long was left behind by a kill.
_LEFT_OVER_S = 24 * 3600

_REASONS = {
    errno.ENOSPC: "the disk is full: free some space",
    errno.EDQUOT: "the disk quota is used up: free some space",
    errno.EROFS: "the file system is read-only: choose another folder",
    errno.EACCES: "permission denied: choose another folder",
    errno.EPERM: "permission denied: choose another folder",
    errno.ENOTDIR: "a file has the name of the folder that is needed: choose another folder",
    errno.EEXIST: "a file has the name of the folder that is needed: choose another folder",
    errno.EISDIR: "a folder has the name of the file that is needed: move it elsewhere",
    errno.EFBIG: "the file would be larger than this system allows",
}


@contextmanager
def storage(place: Path) -> Iterator[None]:
    """Turn the errors of a full, read-only or forbidden disk into a StoreError that names ``place`` and a remedy."""
    try:
        yield
    except OSError as error:
        if error.errno in _REASONS:
            raise StoreError(
                f"cannot write {error.filename2 or error.filename or place}: {_REASONS[error.errno]}"
            ) from error
        raise


@contextmanager
def drafted(path: Path) -> Iterator[Path]:
    """Yield the path of a draft, a file or a folder to write, which is renamed to ``path`` when the block ends.

    A reader, or a kill, sees either the old or the new content. The draft is in the same folder as ``path``, under a name
    that no other process has, not even one on another machine. If the block raises, the draft is removed and ``path`` stays
    as it was. Drafts that a kill left behind are removed a day later.
    """
    for old in path.parent.glob(f".{glob.escape(path.name)}.*{_DRAFT}"):
        if time.time() - old.stat().st_mtime > _LEFT_OVER_S:
            remove(old)
    draft = _beside(path)
    try:
        yield draft
        _flush(draft)
        if draft.is_dir() and path.exists():
            # A folder cannot replace one that is not empty.
            old = _beside(path)
            path.replace(old)
            draft.replace(path)
            remove(old)
        else:
            draft.replace(path)
    finally:
        remove(draft)


def file_name(name: str) -> str:
    """Return a name as a part of a file's name: a slash in it leads to no folder, and a dot at its beginning hides nothing."""
    quoted = quote(name, safe=" +@,()")
    return f"%2E{quoted[1:]}" if quoted.startswith(".") else quoted


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file atomically, as ``drafted`` does."""
    with drafted(path) as draft:
        draft.write_bytes(content)


def remove(path: Path) -> None:
    """Delete a file or a folder, if it exists."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def file_state(path: Path) -> tuple[int, ...]:
    """Numbers that change whenever a file's bytes do: size, times of change (ns) and inode.

    The time of modification alone can be set (``rsync -t``, ``tar``); nobody can set the time of the inode's last change.
    """
    stat = path.stat()
    return (stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino)


class TakenError(Exception):
    """Another process holds a lock that is not to be waited for."""


@contextmanager
def locked(path: Path, *, wait: bool = True) -> Iterator[None]:
    """Hold the lock file ``path``, so that two processes never do the same work; the lock goes with the process that holds it.

    Raises TakenError if another process holds it, unless ``wait``.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(timeout=-1 if wait else 0)
    except Timeout as held:
        raise TakenError(str(path)) from held
    try:
        yield
    finally:
        lock.release()


def held(path: Path) -> bool:
    """Whether a process holds a lock file."""
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def can_lock(folder: Path) -> bool:
    """Whether the folder's file system keeps a second process from a file that is locked. True where nothing can be written."""
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".", suffix=".lock") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                return False
            return held(Path(file.name))
    except OSError:
        return True


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.{uuid.uuid4().hex}{_DRAFT}")


def _flush(path: Path) -> None:
    """Flush the content to disk before the rename."""
    for file in (one for one in path.rglob("*") if one.is_file()) if path.is_dir() else (path,):
        with file.open("rb") as opened:
            os.fsync(opened.fileno())
