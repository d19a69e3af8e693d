"""Records -> leaderboards: Markdown to read, CSV to compute with. No clock, host, time or memory figure gets in."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from brainbench.pipeline.leaderboard import curve
from brainbench.pipeline.leaderboard.page import page
from brainbench.pipeline.leaderboard.rows import editions
from brainbench.pipeline.leaderboard.tables import Board, board, frame
from brainbench.records import Record

__all__ = ["Board", "boards", "render"]


def boards(records: Iterable[Record]) -> dict[str, list[Board]]:
    """Dataset name -> one board for each edition; the order of the records does not matter."""
    found: dict[str, list[Board]] = {}
    for edition in editions(records):
        found.setdefault(edition.dataset, []).append(board(edition))
    return found


def render(records: Iterable[Record]) -> dict[Path, str]:
    """File name -> content of every board these records make: ``<dataset>.md`` and ``.csv``, and of their curves."""
    files = {}
    for name, some in boards(records).items():
        files[Path(f"{name}.md")] = page(some)
        table = pd.concat([frame(one) for one in some], ignore_index=True)
        files[Path(f"{name}.csv")] = table.to_csv(index=False, lineterminator="\n")
        files |= curve.files(name, some)
    return files
