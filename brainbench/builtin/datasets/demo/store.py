"""A cached folder of files with checksums: made once, checked at every reading, remade when damaged."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable
from pathlib import Path

from brainbench import StoreError
from brainbench.datasets import drafted, locked

CHECKSUMS = "checksums.json"
log = logging.getLogger(__name__)


def cached(folder: Path, make: Callable[[Path], None]) -> dict[str, bytes]:
    """File name -> content of ``folder``; ``make(path)`` fills an empty folder when it is missing or damaged.

    Two processes may ask at once: the second waits for the first. A folder appears under its name only when complete.

    Raises:
        StoreError: the cache cannot be read or written.
    """
    try:
        with locked(folder.parent / f"{folder.name}.lock"):
            files = _read(folder)
            if files is None:
                _build(folder, make)
                files = _read(folder)
    except OSError as error:
        raise StoreError(
            f"demo data cannot be kept in {folder.parent} ({error.strerror or error}): free space there, or set BRAINBENCH_CACHE"
        ) from error
    if files is None:
        raise StoreError(
            f"demo data in {folder} is damaged right after writing: check the disk, or set BRAINBENCH_CACHE"
        )
    return files


def _read(folder: Path) -> dict[str, bytes] | None:
    if not folder.exists():
        return None
    try:
        expected = json.loads((folder / CHECKSUMS).read_bytes())
        files = {name: (folder / name).read_bytes() for name in expected}
        damaged = [name for name, content in files.items() if _digest(content) != expected[name]]
    except (FileNotFoundError, ValueError, TypeError, AttributeError):
        files, damaged = {}, [CHECKSUMS]
    if damaged:
        log.warning("%s: %s is damaged, the demo data is made again", folder, ", ".join(damaged))
        return None
    return files


def _build(folder: Path, make: Callable[[Path], None]) -> None:
    with drafted(folder) as fresh:
        fresh.mkdir()
        make(fresh)
        sums = {path.name: _digest(path.read_bytes()) for path in sorted(fresh.iterdir())}
        (fresh / CHECKSUMS).write_text(json.dumps(sums, indent=1))


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
