"""Pairs of rows -> differences with intervals; differences -> ranks, which rows that cannot be distinguished share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, combinations

from brainbench.leaderboard.intervals import LEVEL, Estimate, estimate, estimate_beyond, holm
from brainbench.leaderboard.rows import Column, Row


@dataclass(frozen=True)
class Difference:
    """One row minus another, by their positions. p: for no difference, corrected for all pairs (Holm).

    estimate: for these subjects, which determines ranks; beyond: for subjects in general, None with a single subject.
    """

    first: int
    second: int
    estimate: Estimate
    beyond: Estimate | None
    p: float

    @property
    def real(self) -> bool:
        """Whether the difference is significant, with all pairs considered."""
        return self.p < 1 - LEVEL


def differences(rows: Sequence[Row], column: Column) -> list[Difference]:
    """Return every pair of rows, the better row first; empty if a row lacks the required draws of the test images."""
    samples = [sample for row in rows if (sample := row.sample(column))]
    if len(samples) < len(rows):
        return []
    pairs = list(combinations(range(len(rows)), 2))
    between = [samples[first].minus(samples[second]) for first, second in pairs]
    found = [estimate(sample) for sample in between]
    corrected = holm([one.p for one in found])
    return [
        Difference(*pair, one, estimate_beyond(sample), p)
        for pair, one, sample, p in zip(pairs, found, between, corrected, strict=True)
    ]


def ranks(rows: int, compared: Sequence[Difference]) -> list[int]:
    """Return the ranks of sorted rows: one more than the number of significantly better rows.

    A rank is never better than that of the row above. Without comparisons, ranks are positions.
    """
    if not compared:
        return list(range(1, rows + 1))
    better = [0] * rows
    for difference in compared:
        better[difference.second] += difference.real
    return list(accumulate((1 + number for number in better), max))
