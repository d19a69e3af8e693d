"""Predicted responses as a file: what ``brainbench predict`` writes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from brainbench.errors import UsageError
from brainbench.util.files import storage

_WRITERS: dict[str, Callable[[pd.DataFrame, Path], None]] = {
    ".npy": lambda table, path: np.save(path, table.to_numpy(np.float32)),
    ".csv": lambda table, path: table.to_csv(path),
    ".parquet": lambda table, path: table.rename(columns=str).to_parquet(path),
}


def check_ending(path: Path) -> None:
    """Raise UsageError if nothing is known to write such a file."""
    if path.suffix.lower() not in _WRITERS:
        raise UsageError(f"--out {path}: allowed endings are {', '.join(_WRITERS)}")


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write one row an image: numbers alone as npy, with names as csv or parquet. Raises StoreError when the disk refuses."""
    check_ending(path)
    with storage(path.parent):
        _WRITERS[path.suffix.lower()](table, path)
