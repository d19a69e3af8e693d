"""Files and folders of a cache that are made once, and whose content is proven at every reading."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from brainbench.util.files import drafted, locked, remove, write_atomically
from brainbench.util.hashing import digest, file_sha256

log = logging.getLogger(__name__)


def kept(path: Path, make: Callable[[Path], None]) -> Path:
    """Return ``path``, a file or a folder. ``make(draft)`` writes it if it is missing or damaged.

    Its sha256 is in ``<name>.sha256`` beside it, and is compared at every call; content that does not match is made again,
    with a warning. A lock file, which also holds between machines that share the folder, lets one process at a time look at
    it or make it. It appears under its name only when it is complete.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    seal = _seal(path)
    with locked(_lock(path)):
        if path.exists() and not _matches(path, seal):
            log.warning("%s is damaged or was not completed; it is made again", path)
        elif path.exists():
            return path
        with drafted(path) as draft:
            make(draft)
            # A kill between the two renames leaves a seal that the earlier content does not match.
            write_atomically(seal, _content(draft).encode())
    return path


def is_kept(path: Path) -> bool:
    """Whether ``path`` was made, without a look at its content."""
    return path.exists() and _seal(path).exists()


def is_whole(path: Path) -> bool:
    """Whether ``path`` was made, and its content is the one that was written."""
    return path.exists() and _matches(path, _seal(path))


def discard(path: Path) -> None:
    """Delete a kept file or folder with its sha256 and its lock."""
    # The content goes first: what a kill leaves behind is never taken for whole.
    for part in (path, _seal(path), _lock(path)):
        remove(part)


def _lock(path: Path) -> Path:
    return path.with_name(f".{path.name}.lock")


def _seal(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def _matches(path: Path, seal: Path) -> bool:
    try:
        return seal.read_text() == _content(path)
    except (FileNotFoundError, UnicodeDecodeError):
        return False


def _content(path: Path) -> str:
    if not path.is_dir():
        return file_sha256(path)
    return digest({one.relative_to(path).as_posix(): file_sha256(one) for one in path.rglob("*") if one.is_file()})
