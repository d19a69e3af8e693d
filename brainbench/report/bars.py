"""R2 of every ROI as a bar with its interval and the noise ceiling, all on one scale."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from brainbench.leaderboard.board import Board, Line
from brainbench.leaderboard.rows import Column
from brainbench.leaderboard.text_tables import rounded
from brainbench.report.table import TableCell, roi_columns


@dataclass(frozen=True)
class Bar:
    """One ROI. cell: its score; said: low, high and ceiling, as far as known; at: their positions in percent of the scale."""

    name: str
    cell: TableCell
    said: Mapping[str, str]
    at: Mapping[str, float]


def roi_bars(board: Board, line: Line, cells: Sequence[TableCell]) -> list[Bar]:
    """Return the bars of a row, ROIs in their order and all voxels last; cells: the row's, in the order of ``board.columns``."""
    rois = roi_columns(board)
    metric = rois[0].metric if rois else "r2"
    shown = [*rois, *(c for c in board.columns if c.metric == metric and c.value == "all")]
    known = {column: _known(board, line, column) for column in shown if line.figures[column] is not None}
    values = [value for found in known.values() for value in found.values()]
    low, high = min([0.0, *values]), max([1e-9, *values])
    by_column = dict(zip(board.columns, cells, strict=True))
    return [
        Bar(
            "all" if column.value == "all" else column.heading,
            by_column[column],
            {kind: rounded(found[kind], column.digits) for kind in ("low", "high", "ceiling") if kind in found},
            {kind: round(100 * (value - low) / (high - low), 2) for kind, value in [("zero", 0.0), *found.items()]},
        )
        for column, found in known.items()
    ]


def _known(board: Board, line: Line, column: Column) -> dict[str, float]:
    figure, interval = line.figures[column], line.intervals.get(column)
    found = {"mean": figure[0]} if figure else {}
    if interval:
        found |= {"low": interval.low, "high": interval.high}
    return found | ({"ceiling": board.ceiling[column.value]} if column.value in board.ceiling else {})
