"""A cached folder of files, read as a whole."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from brainbench import StoreError
from brainbench.datasets import kept


def cached(folder: Path, make: Callable[[Path], None]) -> dict[str, bytes]:
    """File name -> content of ``folder``; ``make(path)`` fills an empty folder when it is missing or damaged.

    Raises:
        StoreError: the cache cannot be read or written.
    """

    def build(draft: Path) -> None:
        draft.mkdir()
        make(draft)

    try:
        return {path.name: path.read_bytes() for path in sorted(kept(folder, build).iterdir())}
    except OSError as error:
        raise StoreError(
            f"demo data cannot be kept in {folder.parent} ({error.strerror or error}): free space there, or set BRAINBENCH_CACHE"
        ) from error
