"""How far figures, and differences of figures, would move with other test images, other seeds and other subjects."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import optimize, special

LEVEL = 0.95


@dataclass(frozen=True)
class Sample:
    """One figure of one row. cells: (subject, seed) -> (figure, its deviation on every draw, [draws]); images: drawn in each."""

    cells: Mapping[tuple[str, int], tuple[float, np.ndarray]]
    images: int

    def minus(self, other: Sample) -> Sample:
        """The difference from another row with the same cells, draw by draw: what both share cancels."""
        if self.cells.keys() != other.cells.keys():
            raise ValueError(f"cells differ: {sorted(self.cells)} and {sorted(other.cells)}")
        cells = {
            cell: (figure - other.cells[cell][0], drawn - other.cells[cell][1])
            for cell, (figure, drawn) in self.cells.items()
        }
        return Sample(cells, min(self.images, other.images))


@dataclass(frozen=True)
class Estimate:
    """A figure with what is known of its error. figure: the mean over cells; low, high: its 95 % interval; p: of being zero."""

    figure: float
    low: float
    high: float
    p: float


def estimate(sample: Sample) -> Estimate:
    """The mean over subjects and seeds with its interval.

    Its variance has two parts. Images: the bootstrap covariance of different units on the same draws, which no further unit
    would average away; with one unit, its bootstrap variance. Units: the spread of their figures over their number, which holds
    their own share of the image noise. Units are subjects; seeds, if there is one subject; none, if there is one of each: the
    interval is then for that subject and seed. Each part has its own Student t, and the half widths add in quadrature
    (after Cochran and Cox), so that three subjects do not pass for many. The centre is corrected for the bootstrap's estimate
    of bias: R2 divides by a variance about the test images' own mean.
    """
    figures, draws = _units(sample.cells)
    figure = float(figures.mean())
    freedom = sample.images - 1
    small = sample.images / freedom  # of draws with replacement, the variance is too small by this
    centre = figure - float(draws.mean())
    if len(figures) == 1:
        parts = [(float(draws.var(ddof=1)) * small, freedom)]
    else:
        covariance = np.cov(draws) * small
        number = len(figures)
        shared = (covariance.sum() - np.trace(covariance)) / (number * (number - 1))
        parts = [(max(0.0, float(shared)), freedom), (float(figures.var(ddof=1)) / number, number - 1)]
    half = _half_width(parts, 1 - LEVEL)
    return Estimate(figure, centre - half, centre + half, _p_value(centre, parts))


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's correction: p-values that hold for all comparisons together, in the order given."""
    adjusted = [0.0] * len(p_values)
    highest = 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = highest
    return adjusted


def _units(cells: Mapping[tuple[str, int], tuple[float, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    """Figures [units] and draws [units, draws]: subjects, seeds averaged; or the seeds of the only subject."""
    subjects = sorted({subject for subject, _ in cells})
    groups = [[cells[c] for c in sorted(cells) if c[0] == subject] for subject in subjects]
    if len(groups) == 1:
        groups = [[cell] for cell in groups[0]]
    figures = np.array([np.mean([figure for figure, _ in group]) for group in groups])
    return figures, np.array([np.mean([drawn for _, drawn in group], axis=0) for group in groups])


def _half_width(parts: Sequence[tuple[float, int]], alpha: float) -> float:
    return math.sqrt(sum(variance * float(special.stdtrit(freedom, alpha / 2)) ** 2 for variance, freedom in parts))


def _p_value(centre: float, parts: Sequence[tuple[float, int]]) -> float:
    """The level at which the interval just reaches zero."""
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
