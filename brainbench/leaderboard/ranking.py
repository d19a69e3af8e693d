"""Rows -> the differences that a board shows, with intervals; and ranks, which rows that cannot be distinguished share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
import numpy.typing as npt

from brainbench.leaderboard.intervals import LEVEL, Estimate, Scores, holm
from brainbench.leaderboard.rows import Column, Row


@dataclass(frozen=True)
class Difference:
    """One row minus another, by their positions. p: for no difference, corrected for all that are shown (Holm).

    estimate: for these subjects; beyond: for subjects in general, None with a single subject.
    """

    first: int
    second: int
    estimate: Estimate
    beyond: Estimate | None
    p: float


def scores(rows: Sequence[Row], column: Column) -> Scores | None:
    """Return the rows' scores with their draws of the test images; None if a row lacks the draws."""
    samples = [sample for row in rows if (sample := row.sample(column))]
    return Scores(samples) if samples and len(samples) == len(rows) else None


def differences(found: Scores) -> list[Difference]:
    """Return what a board shows: of the first row and every other, and of every row and the one below it."""
    rows = range(1, len(found.figures))
    pairs = sorted({(0, row) for row in rows} | {(row - 1, row) for row in rows})
    first, second = np.array(pairs, dtype=int).reshape(-1, 2).T
    estimates, beyond = found.estimates(first, second), found.estimates_beyond(first, second)
    corrected = holm([one.p for one in estimates])
    return [
        Difference(*pair, one, other, p)
        for pair, one, other, p in zip(pairs, estimates, beyond, corrected, strict=True)
    ]


def ranks(p_values: npt.NDArray[np.floating]) -> list[int]:
    """Return the ranks of sorted rows: one more than the number of significantly better rows.

    p_values: [rows, rows], for no difference of two rows. Those of each row are corrected for its comparisons with all others
    (Holm), so that with 95 % confidence no row is called better than it wrongly: the marginal confidence bound on a rank of
    Mogstad, Romano, Shaikh and Wilhelm (2024). A rank is never better than that of the row above.
    """
    better = []
    for row, against in enumerate(p_values):
        corrected = holm(np.delete(against, row).tolist())
        better.append(sum(p < 1 - LEVEL for p in corrected[:row]))
    return list(accumulate((1 + number for number in better), max))
