"""Rows -> boards: ranked rows, then incomplete rows, then controls; and a board as a data frame of numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import pandas as pd

from brainbench.leaderboard.intervals import Estimate, estimate
from brainbench.leaderboard.ranking import Difference, differences, ranks, scores
from brainbench.leaderboard.rows import Column, Edition, Row, columns, pooled, roi_rank, rows


@dataclass(frozen=True)
class Line:
    """A row with its scores. figures: column -> (mean, sd) or None; intervals: for columns whose draws every cell has.

    complete: every cell exists; rank: None if unranked.
    """

    row: Row
    figures: dict[Column, tuple[float, float | None] | None]
    intervals: dict[Column, Estimate]
    done: int
    expected: int
    rank: int | None = None

    @property
    def complete(self) -> bool:
        """Whether every seed and subject of the board exists."""
        return self.done == self.expected


@dataclass(frozen=True)
class Board:
    """One edition's table, before it is written in any format."""

    edition: Edition
    columns: list[Column]
    ranked: list[Line]
    controls: list[Line]
    ceiling: dict[str, float]
    differences: list[Difference]

    @property
    def lines(self) -> list[Line]:
        """All rows, controls last."""
        return [*self.ranked, *self.controls]


def board(edition: Edition) -> Board:
    """Score, sort and rank the rows of an edition: by R2 over all voxels, incomplete rows last.

    A row's rank is one more than the number of rows that are significantly better; rows that cannot be distinguished share
    a rank. Where several rows have draws of the test images, one without them has no rank: it can be compared with none.
    """
    shown = columns(edition)
    order = sorted((_line(row, shown, edition) for row in rows(edition)), key=lambda line: _sort_key(line, shown))
    contest = [line for line in order if not line.row.control]
    rankable = [line for line in contest if _ranks(shown) and line.complete and line.figures[shown[0]] is not None]
    with_draws = [line for line in rankable if shown[0] in line.intervals]
    rankable = with_draws if len(with_draws) > 1 else rankable
    drawn = scores([line.row for line in rankable], shown[0]) if rankable else None
    places = ranks(drawn.p_values()) if drawn else range(1, len(rankable) + 1)
    placed = dict(zip(map(id, rankable), places, strict=True))
    ranked = [replace(line, rank=placed.get(id(line))) for line in contest]
    return Board(
        edition,
        shown,
        ranked,
        [line for line in order if line.row.control],
        _ceiling(edition),
        differences(drawn) if drawn else [],
    )


def frame(board: Board) -> pd.DataFrame:
    """Return all rows at full precision for the CSV: mean, sd and, if it exists, the 95 % interval of every score."""
    out = []
    intervals = {column for line in board.lines for column in line.intervals}
    for line in board.lines:
        facts: dict[str, object] = {
            "dataset": board.edition.dataset,
            "dataset_version": board.edition.version,
            "dataset_settings": board.edition.settings,
            "rank": line.rank,
            "control": line.row.control,
            **line.row.key._asdict(),
        }
        for column in board.columns:
            figure, interval = line.figures[column], line.intervals.get(column)
            facts[column.heading] = precise(figure[0] if figure else None)
            facts[f"{column.heading} sd"] = precise(figure[1] if figure else None)
            if column in intervals:
                facts[f"{column.heading} low"] = precise(interval.low if interval else None)
                facts[f"{column.heading} high"] = precise(interval.high if interval else None)
        out.append({**facts, "cells": f"{line.done}/{line.expected}"})
    table = pd.DataFrame(out)
    if "rank" in table:
        table["rank"] = table["rank"].astype("Int64")
    return table


def _line(row: Row, shown: Sequence[Column], edition: Edition) -> Line:
    expected = len(edition.expected) if row.key.encoder else max(len(row.tokens), 1)
    done = sum(bool(m) for m in (row.cells.values() if row.key.encoder else row.tokens))
    figures = {}
    for column in shown:
        found = row.figures(column, expected)
        figures[column] = pooled(found) if found is not None else None
    samples = {column: row.sample(column) for column in shown if figures[column] is not None}
    return Line(row, figures, {c: estimate(sample) for c, sample in samples.items() if sample}, done, expected)


def _ranks(shown: Sequence[Column]) -> bool:
    """Whether the first column has a direction, so that rows can be ranked by it."""
    return bool(shown) and shown[0].direction != "none"


def _sort_key(line: Line, shown: Sequence[Column]) -> tuple[bool, float, object]:
    first = line.figures[shown[0]] if _ranks(shown) else None
    value = first[0] if first else -math.inf
    sign = 1 if shown and shown[0].direction == "lower" else -1
    return (not line.complete, sign * value if first else math.inf, line.row.key)


def _ceiling(edition: Edition) -> dict[str, float]:
    subjects = {r.dataset.subject: r.dataset.noise_ceiling for r in edition.records if r.dataset.noise_ceiling}
    names = sorted({name for ceiling in subjects.values() for name in ceiling}, key=roi_rank)
    return {
        name: pooled([c[name] for _, c in sorted(subjects.items()) if name in c])[0]
        for name in names
        if all(name in c for c in subjects.values())
    }


def precise(value: float | None) -> str:
    """Format a score for CSV files; empty if there is none."""
    return "" if value is None else f"{value:.6g}"
