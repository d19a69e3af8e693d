"""Boards -> tables for readers: frames of text, one for each question that a board answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pandas as pd

from brainbench.leaderboard.board import Board, Line
from brainbench.leaderboard.intervals import Estimate
from brainbench.leaderboard.rows import Column
from brainbench.records import RowKey
from brainbench.util.texts import markdown_text, one_line

# The columns that hold names, which others have chosen.
NAMES = ("backbone", "weights", "encoder")
CEILING = "noise ceiling"
INTERVAL = "95 % interval"
NOT_APPLICABLE = "n/a"
INCOMPLETE = "-"

Cell = Callable[[Line, Column, str], str]


@dataclass(frozen=True)
class Table:
    """A table with its heading ("" for the first of a board) and a note on how to read it."""

    title: str
    frame: pd.DataFrame
    note: str = ""


def tables(board: Board) -> list[Table]:
    """Return the tables of a board that are not empty."""
    found = []
    if board.ranked:
        found.append(Table("", overall(board, board.ranked, ranks=True)))
    if rois := _roi_columns(board):
        title = f"{rois[-1].heading} by ROI, with 95 % intervals"
        found.append(Table(title, _frame(board.ranked, rois, _with_interval), "Rows as above."))
    found += _with_errors(board)
    if board.differences:
        note = (
            f"{board.columns[0].heading} of a row less that of the first row, and less that of the row above, with 95 % intervals"
            " for these subjects; p of no difference, corrected for all differences of this table (Holm); the interval for subjects"
            " in general, where there are several."
        )
        found.append(Table("Differences", _differences(board), note))
    if board.controls or board.ceiling:
        found.append(Table("Controls (unranked)", overall(board, board.controls, ranks=False)))
    return found


def _with_errors(board: Board) -> list[Table]:
    """Return one table for each metric whose columns are shown with their standard errors."""
    shown = [c for c in board.columns if c.errors and any(line.figures[c] for line in board.ranked)]
    found = []
    for title, note in dict.fromkeys((column.errors, column.errors_note) for column in shown):
        columns = [column for column in shown if (column.errors, column.errors_note) == (title, note)]
        lines = [line for line in board.ranked if any(line.figures[column] for column in columns)]
        found.append(Table(title, _frame(lines, columns, _with_error), note))
    return found


def markdown(table: pd.DataFrame) -> str:
    """Return a table of text, row names aligned left and scores right."""
    align = ["left" if column in NAMES else "right" for column in table.columns]
    cells = {column: table[column].map(markdown_text if column in NAMES else _figure) for column in table.columns}
    table = pd.DataFrame(cells).rename(columns=markdown_text)
    return table.to_markdown(index=False, disable_numparse=True, colalign=align)


def csv(table: pd.DataFrame) -> str:
    """Return a table as CSV, one line for each row: a carriage return alone would not be quoted, and end a line."""
    table = table.rename(columns=one_line)
    texts = [name for name in table.columns if not pd.api.types.is_numeric_dtype(table[name])]
    return table.assign(**{name: table[name].map(_unbroken) for name in texts}).to_csv(index=False, lineterminator="\n")


def _unbroken(cell: object) -> object:
    return one_line(cell) if isinstance(cell, str) else cell


def _figure(cell: object) -> str:
    """Return a score with its marks; layers and ROIs, whose names are others', are in no cell but a heading."""
    return one_line(str(cell))


def overall(board: Board, lines: Sequence[Line], *, ranks: bool) -> pd.DataFrame:
    """Return every score as mean ± sd, best bold, second best italic, and the interval of the first column."""
    out = []
    marks = _marks(board.columns, lines) if ranks else {}
    intervals = any(board.columns[0] in line.intervals for line in board.lines) if board.columns else False
    for line in lines:
        cells = {"rank": str(line.rank or INCOMPLETE)} if ranks else {}
        cells |= names(line.row.key)
        for place, column in enumerate(board.columns):
            cells[column.heading] = _with_sd(line, column, marks.get((id(line), column), ""))
            if intervals and not place:
                cells[INTERVAL] = _interval(line, column) or INCOMPLETE
        out.append({**cells, "cells": f"{line.done}/{line.expected}"})
    if not ranks and board.ceiling:
        out.append(_ceiling_row(board, intervals))
    return pd.DataFrame(out)


def _frame(lines: Sequence[Line], columns: Sequence[Column], cell: Cell) -> pd.DataFrame:
    marks = _marks(columns, lines)
    return pd.DataFrame(
        [
            names(line.row.key) | {c.heading: cell(line, c, marks.get((id(line), c), "")) for c in columns}
            for line in lines
        ]
    )


def names(key: RowKey) -> dict[str, str]:
    """Return the name of a row, in three cells."""
    return {
        "backbone": " ".join(filter(None, (key.backbone, key.backbone_settings))),
        "weights": key.weights,
        "encoder": " ".join(filter(None, (key.encoder, key.encoder_settings))) or INCOMPLETE,
    }


def _roi_columns(board: Board) -> list[Column]:
    """Return ROIs, then all voxels, for the metric that has both and draws for them, as in Table 13."""
    rois = {name for record in board.edition.records for name in record.dataset.rois}
    drawn = {column for line in board.ranked for column in line.intervals}
    found = [column for column in board.columns if column in drawn and column.value in rois]
    return [*found, *(c for c in board.columns if found and c.metric == found[0].metric and c.value == "all")]


def _differences(board: Board) -> pd.DataFrame:
    rows = [line for line in board.ranked if line.rank is not None]
    digits = board.columns[0].digits
    known = {(d.first, d.second): d for d in board.differences}
    out = []
    for place, line in enumerate(rows[1:], start=1):
        cells = names(line.row.key)
        for heading, other in (("first row", 0), ("row above", place - 1)):
            found = known[other, place]
            low, high = _turned(found.estimate, digits)
            cells[f"less the {heading}"] = f"{rounded(-found.estimate.figure, digits)} [{low}, {high}]"
            cells[f"p, {heading}"] = "< 0.001" if found.p < 0.001 else f"{found.p:.3f}"
            if found.beyond:
                low, high = _turned(found.beyond, digits)
                cells[f"other subjects, {heading}"] = f"[{low}, {high}]"
        out.append(cells)
    return pd.DataFrame(out)


def _turned(one: Estimate, digits: int) -> tuple[str, str]:
    """Return the interval of the later row minus the earlier one."""
    return rounded(-one.high, digits), rounded(-one.low, digits)


def _marks(shown: Sequence[Column], lines: Sequence[Line]) -> dict[tuple[int, Column], str]:
    marks = {}
    for column in shown:
        # Compared as printed: rows that print the same score share its mark.
        scores = {
            id(line): round(f[0], column.digits) for line in lines if (f := line.figures[column]) and line.complete
        }
        order = sorted(set(scores.values()), reverse=column.direction == "higher")
        if column.direction == "none" or len(order) < 2:
            continue
        for line, score in scores.items():
            if score == order[0]:
                marks[line, column] = "**"
            elif score == order[1]:
                marks[line, column] = "*"
    return marks


def _with_sd(line: Line, column: Column, mark: str) -> str:
    figure = line.figures[column]
    if figure is None:
        jobs = list(line.row.cells.values()) + line.row.tokens
        said = [job[column.metric].not_applicable for job in jobs if column.metric in job]
        absent = line.complete and any(column.metric in job for job in jobs)
        return NOT_APPLICABLE if absent or any(said) else INCOMPLETE
    mean, sd = figure
    spread = f" ± {sd:.{column.digits}f}" if sd is not None else ""
    return f"{mark}{rounded(mean, column.digits)}{mark}{spread}"


def _with_interval(line: Line, column: Column, mark: str) -> str:
    figure, interval = line.figures[column], _interval(line, column)
    if figure is None or interval is None:
        return _with_sd(line, column, mark)
    return f"{mark}{rounded(figure[0], column.digits)}{mark} {interval}"


def _with_error(line: Line, column: Column, mark: str) -> str:
    """Return the score ± its standard error within a fit, if the metric gives one ("slope_se" for "slope")."""
    figure = line.figures[column]
    name = f"{column.value}_se"
    jobs = [job[column.metric] for job in (*line.row.cells.values(), *line.row.tokens) if column.metric in job]
    errors = [result.values[name] for result in jobs if name in result.values]
    if figure is None or not errors or len(errors) < len(jobs):
        return _with_sd(line, column, mark)
    return f"{mark}{rounded(figure[0], 3)}{mark} ± {sum(errors) / len(errors):.3f}"


def _interval(line: Line, column: Column) -> str | None:
    found = line.intervals.get(column)
    return f"[{rounded(found.low, column.digits)}, {rounded(found.high, column.digits)}]" if found else None


def _ceiling_row(board: Board, intervals: bool) -> dict[str, str]:
    cells = {"backbone": CEILING, "weights": INCOMPLETE, "encoder": INCOMPLETE}
    for column in board.columns:
        applies = column.ceiling and column.value in board.ceiling
        cells[column.heading] = rounded(board.ceiling[column.value], column.digits) if applies else ""
    return cells | ({INTERVAL: ""} if intervals else {}) | {"cells": ""}


def rounded(value: float, digits: int) -> str:
    """Format a score for a table; zero has no sign."""
    text = f"{value:.{digits}f}"
    return text.removeprefix("-") if float(text) == 0 else text
