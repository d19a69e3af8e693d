"""Rows -> tables: ranked rows, incomplete rows last, controls apart; as frames of numbers and as frames of text."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from brainbench.pipeline.leaderboard.rows import Column, Edition, Row, columns, pooled, roi_rank, rows

CEILING = "noise ceiling"
NOT_APPLICABLE = "n/a"
INCOMPLETE = "-"


@dataclass(frozen=True)
class Line:
    """A row, measured. figures: column -> (mean, sd) or None; complete: every cell is there; rank: None when unranked."""

    row: Row
    figures: dict[Column, tuple[float, float | None] | None]
    done: int
    expected: int
    rank: int | None = None

    @property
    def complete(self) -> bool:
        """Whether every seed and subject of the board is there."""
        return self.done == self.expected


@dataclass(frozen=True)
class Board:
    """One edition's table, before it is written in any format."""

    edition: Edition
    columns: list[Column]
    ranked: list[Line]
    controls: list[Line]
    ceiling: dict[str, float]


def board(edition: Edition) -> Board:
    """Measure, sort and rank the rows of an edition: by R2 over all voxels, incomplete rows last."""
    shown = columns(edition)
    lines = [_line(row, shown, edition) for row in rows(edition)]
    order = sorted(lines, key=lambda line: _sort_key(line, shown))
    ranked, position = [], 0
    for line in order:
        if line.row.control:
            continue
        position += 1
        rankable = line.complete and _ranks(shown) and line.figures[shown[0]] is not None
        ranked.append(Line(line.row, line.figures, line.done, line.expected, position if rankable else None))
    return Board(edition, shown, ranked, [line for line in order if line.row.control], _ceiling(edition))


def frame(board: Board) -> pd.DataFrame:
    """All rows with full figures, for the CSV: one mean and one sd column a figure."""
    out = []
    for line in [*board.ranked, *board.controls]:
        key = line.row.key
        facts: dict[str, object] = {
            "dataset": board.edition.dataset,
            "dataset_version": board.edition.version,
            "rank": line.rank,
            "control": line.row.control,
            "backbone": key.backbone,
            "weights": key.weights,
            "backbone_settings": key.backbone_settings,
            "encoder": key.encoder,
            "encoder_settings": key.encoder_settings,
        }
        for column in board.columns:
            figure = line.figures[column]
            facts[column.heading] = _precise(figure[0] if figure else None)
            facts[f"{column.heading} sd"] = _precise(figure[1] if figure else None)
        out.append({**facts, "cells": f"{line.done}/{line.expected}"})
    table = pd.DataFrame(out)
    if "rank" in table:
        table["rank"] = table["rank"].astype("Int64")
    return table


def text_frame(board: Board, lines: Sequence[Line], *, ranks: bool) -> pd.DataFrame:
    """Rows as a person reads them: mean ± sd, the best figure of a column bold, the second best italic."""
    out = []
    marks = _marks(board.columns, lines) if ranks else {}
    for line in lines:
        key = line.row.key
        cells: dict[str, str] = {"rank": str(line.rank or INCOMPLETE)} if ranks else {}
        cells["backbone"] = " ".join(filter(None, (key.backbone, key.backbone_settings)))
        cells["weights"] = key.weights
        cells["encoder"] = " ".join(filter(None, (key.encoder, key.encoder_settings))) or INCOMPLETE
        for column in board.columns:
            cells[column.heading] = _text(line, column, marks.get((id(line), column), ""))
        out.append({**cells, "cells": f"{line.done}/{line.expected}"})
    if not ranks and board.ceiling:
        out.append(_ceiling_row(board))
    return pd.DataFrame(out)


def _line(row: Row, shown: Sequence[Column], edition: Edition) -> Line:
    expected = len(edition.expected) if row.key.encoder else max(len(row.tokens), 1)
    done = sum(bool(m) for m in (row.cells.values() if row.key.encoder else row.tokens))
    figures = {}
    for column in shown:
        found = row.figures(column, expected)
        figures[column] = pooled(found) if found is not None else None
    return Line(row, figures, done, expected)


def _ranks(shown: Sequence[Column]) -> bool:
    """Whether the first figure has a better side, so that rows can be ranked by it."""
    return bool(shown) and shown[0].direction != "none"


def _sort_key(line: Line, shown: Sequence[Column]) -> tuple[bool, float, object]:
    first = line.figures[shown[0]] if _ranks(shown) else None
    value = first[0] if first else -math.inf
    sign = 1 if shown and shown[0].direction == "lower" else -1
    return (not line.complete, sign * value if first else math.inf, line.row.key)


def _marks(shown: Sequence[Column], lines: Sequence[Line]) -> dict[tuple[int, Column], str]:
    marks = {}
    for column in shown:
        # As shown: rows that print the same figure share its mark.
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


def _text(line: Line, column: Column, mark: str) -> str:
    figure = line.figures[column]
    if figure is None:
        jobs = list(line.row.cells.values()) + line.row.tokens
        said = [job[column.metric].not_applicable for job in jobs if column.metric in job]
        absent = line.complete and any(column.metric in job for job in jobs)
        return NOT_APPLICABLE if absent or any(said) else INCOMPLETE
    mean, sd = figure
    spread = f" ± {sd:.{column.digits}f}" if sd is not None else ""
    return f"{mark}{_rounded(mean, column.digits)}{mark}{spread}"


def _ceiling(edition: Edition) -> dict[str, float]:
    subjects = {r.dataset.subject: r.dataset.noise_ceiling for r in edition.records if r.dataset.noise_ceiling}
    names = sorted({name for ceiling in subjects.values() for name in ceiling}, key=roi_rank)
    return {
        name: pooled([c[name] for _, c in sorted(subjects.items()) if name in c])[0]
        for name in names
        if all(name in c for c in subjects.values())
    }


def _ceiling_row(board: Board) -> dict[str, str]:
    cells = {"backbone": CEILING, "weights": INCOMPLETE, "encoder": INCOMPLETE}
    for column in board.columns:
        applies = column.metric == "r2" and column.value in board.ceiling
        cells[column.heading] = _rounded(board.ceiling[column.value], column.digits) if applies else ""
    return {**cells, "cells": ""}


def _rounded(value: float, digits: int) -> str:
    text = f"{value:.{digits}f}"
    return text.removeprefix("-") if float(text) == 0 else text


def _precise(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"
