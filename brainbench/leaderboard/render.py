"""Records -> leaderboards: Markdown to read, LaTeX to print, CSV and JSON to compute with, without any time, host or cost."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from brainbench.leaderboard import by_layer, by_training_images, forgetting
from brainbench.leaderboard.board import Board, board, frame
from brainbench.leaderboard.json_document import document
from brainbench.leaderboard.latex import latex
from brainbench.leaderboard.markdown import page
from brainbench.leaderboard.rows import Edition, editions
from brainbench.leaderboard.text_tables import csv
from brainbench.records import Record
from brainbench.util.files import file_name

__all__ = ["Board", "boards", "render", "render_editions"]


def boards(records: Iterable[Record]) -> dict[str, list[Board]]:
    """Return dataset name -> one board per edition. The order of the records does not matter."""
    return _by_dataset(editions(records))


def render(records: Iterable[Record]) -> dict[Path, str]:
    """Return file name -> content of every board: ``<dataset>.md``, ``.csv``, ``.json``, ``.tex``; curves, layers, forgetting."""
    return render_editions(editions(records))


def render_editions(several: Iterable[Edition]) -> dict[Path, str]:
    """Return what ``render`` does, for records that were told apart already."""
    files = {}
    for name, some in _by_dataset(several).items():
        files[Path(f"{file_name(name)}.md")] = page(some)
        table = pd.concat([frame(one) for one in some], ignore_index=True)
        files[Path(f"{file_name(name)}.csv")] = csv(table)
        files[Path(f"{file_name(name)}.json")] = json.dumps(document(some), indent=1, allow_nan=False) + "\n"
        files[Path(f"{file_name(name)}.tex")] = latex(some)
        files |= by_training_images.files(name, some) | by_layer.files(name, some)
        files |= forgetting.files(name, some)
    return files


def _by_dataset(several: Iterable[Edition]) -> dict[str, list[Board]]:
    found: dict[str, list[Board]] = {}
    for edition in several:
        found.setdefault(edition.dataset, []).append(board(edition))
    return found
