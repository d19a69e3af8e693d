"""How far scores, and differences of scores, would vary with other test images, other seeds and other subjects."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import optimize, special

LEVEL = 0.95


@dataclass(frozen=True)
class Sample:
    """One score of one row.

    cells: (subject, seed) -> (score, its deviation on every draw, [draws]); images: number drawn in each.
    """

    cells: Mapping[tuple[str, int], tuple[float, np.ndarray]]
    images: int

    def minus(self, other: Sample) -> Sample:
        """Return the difference from another row with the same cells, draw by draw: what both rows share cancels."""
        if self.cells.keys() != other.cells.keys():
            raise ValueError(f"cells differ: {sorted(self.cells)} and {sorted(other.cells)}")
        cells = {
            cell: (figure - other.cells[cell][0], drawn - other.cells[cell][1])
            for cell, (figure, drawn) in self.cells.items()
        }
        return Sample(cells, min(self.images, other.images))


@dataclass(frozen=True)
class Estimate:
    """A score with its error. figure: the mean over cells; low, high: its 95 % interval; p: of being zero."""

    figure: float
    low: float
    high: float
    p: float


def estimate(sample: Sample) -> Estimate:
    """Return the mean over subjects and seeds, with its interval for these subjects: other test images, other seeds.

    The variance has two parts, each with its own Student t; their half widths are added in quadrature (after Cochran and
    Cox). The images' part comes from the draws of the mean. With several seeds, the other part is their spread within a
    subject, divided by their number. The centre is corrected for the bootstrap's estimate of bias, because R2 divides by a
    variance about the test images' own mean.
    """
    groups = _by_subject(sample)
    drawn = np.mean([group.draws.mean(axis=0) for group in groups], axis=0)
    parts = [(float(drawn.var(ddof=1)) * _small(sample), sample.images - 1)]
    seeds = sum(len(group.figures) - 1 for group in groups)
    if seeds:
        spread = sum(_spread(group.figures) for group in groups)
        parts.append((spread / len(groups) ** 2, seeds))
    return _estimate(groups, drawn, parts)


def estimate_beyond(sample: Sample) -> Estimate | None:
    """Return the same for subjects in general, from whom these are drawn. None with one subject.

    The part that subjects share, the covariance of their draws, would not average out with further subjects. The rest is
    the spread of their scores divided by their number, with S - 1 degrees of freedom, so that three subjects do not count
    as many.
    """
    groups = _by_subject(sample)
    number = len(groups)
    if number == 1:
        return None
    draws = np.array([group.draws.mean(axis=0) for group in groups])
    covariance = np.cov(draws) * _small(sample)
    shared = float(covariance.sum() - np.trace(covariance)) / (number * (number - 1))
    parts = [
        (max(0.0, shared), sample.images - 1),
        (_spread(np.array([group.figures.mean() for group in groups])), number - 1),
    ]
    return _estimate(groups, draws.mean(axis=0), parts)


def holm(p_values: Sequence[float]) -> list[float]:
    """Apply Holm's correction: return p-values that hold for all comparisons together, in the given order."""
    adjusted = [0.0] * len(p_values)
    highest = 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = highest
    return adjusted


@dataclass(frozen=True)
class _Subject:
    """figures: [seeds]; draws: [seeds, draws]."""

    figures: np.ndarray
    draws: np.ndarray


def _by_subject(sample: Sample) -> list[_Subject]:
    names = sorted({subject for subject, _ in sample.cells})
    groups = [[sample.cells[cell] for cell in sorted(sample.cells) if cell[0] == name] for name in names]
    return [_Subject(np.array([f for f, _ in group]), np.array([d for _, d in group])) for group in groups]


def _spread(figures: np.ndarray) -> float:
    """Return the variance of the mean of these scores; 0 for a single one."""
    return float(figures.var(ddof=1)) / len(figures) if len(figures) > 1 else 0.0


def _small(sample: Sample) -> float:
    """Return the factor by which the variance of draws with replacement is too small."""
    return sample.images / (sample.images - 1)


def _estimate(groups: Sequence[_Subject], drawn: np.ndarray, parts: Sequence[tuple[float, int]]) -> Estimate:
    figure = float(np.mean([group.figures.mean() for group in groups]))
    centre, half = figure - float(drawn.mean()), _half_width(parts, 1 - LEVEL)
    return Estimate(figure, centre - half, centre + half, _p_value(centre, parts))


def _half_width(parts: Sequence[tuple[float, int]], alpha: float) -> float:
    return math.sqrt(sum(variance * float(special.stdtrit(freedom, alpha / 2)) ** 2 for variance, freedom in parts))


def _p_value(centre: float, parts: Sequence[tuple[float, int]]) -> float:
    """Return the level at which the interval just reaches zero."""
    if not any(variance for variance, _ in parts):
        return float(centre == 0)
    smallest = 1e-12
    if abs(centre) >= _half_width(parts, smallest):
        return smallest
    if centre == 0:
        return 1.0
    return float(
        math.exp(
            optimize.brentq(lambda log_p: _half_width(parts, math.exp(log_p)) - abs(centre), math.log(smallest), 0.0)
        )
    )
