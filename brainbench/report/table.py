"""A board -> the cells of its sortable tables. Every score is that of the board's CSV."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

from brainbench.leaderboard.board import Board, Line, frame
from brainbench.leaderboard.rows import Column
from brainbench.leaderboard.text_tables import CEILING, INTERVAL, NOT_APPLICABLE, rounded

INCOMPLETE = "-"


@dataclass(frozen=True)
class TableCell:
    """One cell.

    text: as shown; spread: " ± sd" or ""; exact: as in the CSV, "" for none; title: all that is known; heat: 0..1 or None.
    """

    text: str
    spread: str = ""
    exact: str = ""
    title: str = ""
    heat: float | None = None


@dataclass(frozen=True)
class TableRow:
    """A row of the board in cells; scores in the order of ``Board.columns``."""

    line: Line
    figures: tuple[TableCell, ...]

    @property
    def text(self) -> str:
        """Return the text that a filter searches."""
        key = self.line.row.key
        return " ".join(key).lower()


def table_rows(board: Board) -> list[TableRow]:
    """Return all rows of a board, in its order."""
    hot = roi_columns(board)
    exact = frame(board).to_dict("records")
    tops = [float(cells[c.heading]) for cells in exact for c in hot if cells[c.heading] != ""]
    top = max([*tops, 1e-9])
    return [
        TableRow(line, tuple(_figure(line, cells, column, top if column in hot else None) for column in board.columns))
        for line, cells in zip(board.lines, exact, strict=True)
    ]


def ceiling_row(board: Board) -> tuple[TableCell, ...]:
    """The noise ceiling in the same columns, as the controls' block shows it."""
    found = []
    for column in board.columns:
        applies = column.ceiling and column.value in board.ceiling
        value = board.ceiling.get(column.value, 0.0)
        found.append(
            TableCell(
                rounded(value, column.digits), exact=f"{value:.6g}", title=f"{CEILING}, {column.heading}: {value:.6g}"
            )
            if applies
            else TableCell("")
        )
    return tuple(found)


def roi_columns(board: Board) -> list[Column]:
    """Return the columns of ROIs, which are shown as heat."""
    rois = {name for record in board.edition.records for name in record.dataset.rois}
    first = next((c.metric for c in board.columns if c.value in rois), None)
    return [c for c in board.columns if c.metric == first and c.value in rois]


def summary(row: TableRow, columns: Sequence[Column]) -> list[tuple[str, TableCell]]:
    """Return (heading, score) of the scores that a row has."""
    return [(c.heading, f) for c, f in zip(columns, row.figures, strict=True) if f.exact]


def _figure(line: Line, cells: Mapping[Hashable, str], column: Column, top: float | None) -> TableCell:
    mean = cells[column.heading]
    if mean == "":
        return TableCell(NOT_APPLICABLE if line.complete else INCOMPLETE)
    sd = cells[f"{column.heading} sd"]
    said = f"{column.heading}: {mean}" + (f" ± {sd}" if sd else "")
    if cells.get(f"{column.heading} low", ""):
        said += f", {INTERVAL} {cells[f'{column.heading} low']} to {cells[f'{column.heading} high']}"
    spread = f" ± {float(sd):.{column.digits}f}" if sd else ""
    heat = None if top is None else round(max(0.0, float(mean)) / top, 3)
    return TableCell(rounded(float(mean), column.digits), spread, mean, said, heat)
