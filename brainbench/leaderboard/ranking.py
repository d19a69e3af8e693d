"""Pairs of rows -> differences with intervals; differences -> ranks, in which rows that cannot be told apart share one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, combinations

from brainbench.leaderboard.intervals import LEVEL, Estimate, estimate, estimate_beyond, holm
from brainbench.leaderboard.rows import Column, Row


@dataclass(frozen=True)
class Difference:
    """One row less another, by their places in the order. p: of no difference, corrected for all pairs (Holm).

    estimate: for these subjects, which ranks go by; beyond: for subjects in general, None with a single one.
    """

    first: int
    second: int
    estimate: Estimate
    beyond: Estimate | None
    p: float

    @property
    def real(self) -> bool:
        """Whether it is beyond chance, all pairs considered."""
        return self.p < 1 - LEVEL


def differences(rows: Sequence[Row], column: Column) -> list[Difference]:
    """Every pair of rows, the better first; empty when a row lacks the draws of the test images that it takes."""
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
    """Of rows in order: one more than the number of those that are really better, but never a better rank than the row above.

    Without comparisons, the places.
    """
    if not compared:
        return list(range(1, rows + 1))
    better = [0] * rows
    for difference in compared:
        better[difference.second] += difference.real
    return list(accumulate((1 + number for number in better), max))
