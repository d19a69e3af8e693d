"""Boards -> plain JSON types: every score with its interval, and the differences that the page shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from brainbench.leaderboard.board import Board, Line
from brainbench.leaderboard.intervals import Estimate

SCHEMA = 1


def document(boards: Sequence[Board]) -> dict[str, Any]:
    """Return one dataset's boards.

    Scores are named by metric and score ("r2.all", "r2.V1", "hierarchy.slope"), with six digits.
    """
    return {"schema": SCHEMA, "dataset": boards[0].edition.dataset, "editions": [_edition(board) for board in boards]}


def _edition(board: Board) -> dict[str, Any]:
    rows = [line.row.key for line in board.ranked if line.rank is not None]
    return {
        "version": board.edition.version,
        "settings": board.edition.settings,
        "noise_ceiling": {name: _digits(value) for name, value in board.ceiling.items()},
        "rows": [_line(line, board) for line in board.lines],
        "differences": [
            {
                "first": rows[d.first]._asdict(),
                "second": rows[d.second]._asdict(),
                "difference": _digits(d.estimate.figure),
                **_interval(d.estimate),
                "p": _digits(d.p),
                "other_subjects": _interval(d.beyond) if d.beyond else None,
            }
            for d in board.differences
        ],
    }


def _line(line: Line, board: Board) -> dict[str, Any]:
    figures = {}
    for column in board.columns:
        figure = line.figures[column]
        if figure is None:
            continue
        found: dict[str, Any] = {"mean": _digits(figure[0])}
        if figure[1] is not None:
            found["sd"] = _digits(figure[1])
        if column in line.intervals:
            found |= _interval(line.intervals[column])
        figures[f"{column.metric}.{column.value}"] = found
    facts = {"rank": line.rank, "control": line.row.control, "cells": [line.done, line.expected]}
    return line.row.key._asdict() | facts | {"figures": figures}


def _interval(one: Estimate) -> dict[str, float]:
    return {"low": _digits(one.low), "high": _digits(one.high)}


def _digits(value: float) -> float:
    return float(f"{value:.6g}")
