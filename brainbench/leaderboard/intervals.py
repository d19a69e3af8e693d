"""How far scores, and differences of scores, would vary with other test images, other seeds and other subjects."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import special
from scipy.optimize import elementwise

LEVEL = 0.95
_SMALLEST = 1e-12  # p-values below it are not told apart
_ROUNDING = 1e-13  # a difference whose variance is a smaller share of the rows' own is rounding

Floats: TypeAlias = npt.NDArray[np.floating[Any]]
Rows: TypeAlias = npt.NDArray[np.integer[Any]]
Parts: TypeAlias = Sequence[tuple[Floats, Floats | Rows]]  # of a variance, each with its degrees of freedom


@dataclass(frozen=True)
class Sample:
    """One score of one row.

    cells: (subject, seed) -> (score, its deviation on every draw, [draws]); images: number drawn in each.
    """

    cells: Mapping[tuple[str, int], tuple[float, np.ndarray]]
    images: int


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
    return Scores([sample]).estimates(np.array([0]))[0]


def estimate_beyond(sample: Sample) -> Estimate | None:
    """Return the same for subjects in general, from whom these are drawn. None with one subject.

    The part that subjects share, the covariance of their draws, would not average out with further subjects. The rest is
    the spread of their scores divided by their number, with S - 1 degrees of freedom, so that three subjects do not count
    as many.
    """
    return Scores([sample]).estimates_beyond(np.array([0]))[0]


class Scores:
    """The scores of rows with the same cells: single ones and differences of two, whose shared part cancels.

    Every variance of a difference of rows a and b is M[a, a] + M[b, b] - 2 M[a, b] of one matrix M [rows, rows], so all pairs
    cost one covariance of the rows' draws. Raises ValueError if the cells differ.
    """

    def __init__(self, samples: Sequence[Sample]) -> None:
        cells = sorted(samples[0].cells)
        for sample in samples:
            if sorted(sample.cells) != cells:
                raise ValueError(f"cells differ: {cells} and {sorted(sample.cells)}")
        names = [subject for subject, _ in cells]
        subjects = [[i for i, name in enumerate(names) if name == one] for one in dict.fromkeys(names)]
        number = len(subjects)
        figures = np.array([[sample.cells[cell][0] for cell in cells] for sample in samples])
        of_subjects = np.stack([figures[:, seeds].mean(axis=1) for seeds in subjects], axis=1)
        draws = np.zeros((len(samples), len(samples[0].cells[cells[0]][1])))
        within: Floats = np.zeros((len(samples), len(samples)))
        for seeds in subjects:
            drawn = np.array([np.mean([sample.cells[cells[i]][1] for i in seeds], axis=0) for sample in samples])
            draws += drawn / number
            within += _covariance(drawn)
        residuals = [
            (figures[:, seeds] - figures[:, seeds].mean(axis=1, keepdims=True)) / np.sqrt(len(seeds) * (len(seeds) - 1))
            for seeds in subjects
            if len(seeds) > 1
        ]
        self.subjects = number
        self.figures: Floats = of_subjects.mean(axis=1)
        self._centres: Floats = self.figures - draws.mean(axis=1)
        self._images = np.array([sample.images for sample in samples])
        self._drawn = _covariance(draws)
        # The covariance of different subjects' draws, summed: what images do to all of them.
        self._shared = number**2 * self._drawn - within
        self._seeds = sum(((one @ one.T) / number**2 for one in residuals), np.zeros_like(within))
        self._freedom = len(cells) - number
        self._across = _covariance(of_subjects) / number if number > 1 else within

    def estimates(self, rows: Rows, less: Rows | None = None) -> list[Estimate]:
        """Return the scores of rows, or of rows less those of others, as ``estimate`` describes them."""
        return self._estimates(rows, less, self._parts(rows, less))

    def estimates_beyond(self, rows: Rows, less: Rows | None = None) -> list[Estimate] | list[None]:
        """Return the same as ``estimate_beyond`` describes them."""
        if self.subjects == 1:
            return [None] * len(rows)
        return self._estimates(rows, less, self._parts_beyond(rows, less))

    def p_values(self) -> Floats:
        """Return p of no difference for every pair of rows, [rows, rows]; 1 on the diagonal."""
        first, second = np.triu_indices(len(self.figures), 1)
        found = np.ones_like(self._drawn)
        found[first, second] = found[second, first] = _p_values(
            self._centres[first] - self._centres[second], self._parts(first, second)
        )
        return found

    def _estimates(self, rows: Rows, less: Rows | None, parts: Parts) -> list[Estimate]:
        figures, centres = self.figures[rows], self._centres[rows]
        if less is not None:
            figures, centres = figures - self.figures[less], centres - self._centres[less]
        half, p = _half_width(parts, 1 - LEVEL), _p_values(centres, parts)
        return [Estimate(*map(float, one)) for one in zip(figures, centres - half, centres + half, p, strict=True)]

    def _parts(self, a: Rows, b: Rows | None) -> Parts:
        parts = [(_variance(self._drawn, a, b) * self._small(a, b), self._least_images(a, b) - 1)]
        return [*parts, (_variance(self._seeds, a, b), np.full(a.shape, self._freedom))] if self._freedom else parts

    def _parts_beyond(self, a: Rows, b: Rows | None) -> Parts:
        shared = _variance(self._shared, a, b) * self._small(a, b) / (self.subjects * (self.subjects - 1))
        across = _variance(self._across, a, b)
        return [(shared, self._least_images(a, b) - 1), (across, np.full(a.shape, self.subjects - 1))]

    def _least_images(self, a: Rows, b: Rows | None) -> Rows:
        return self._images[a] if b is None else np.minimum(self._images[a], self._images[b])

    def _small(self, a: Rows, b: Rows | None) -> Floats:
        """Return the factor by which the variance of draws with replacement is too small."""
        images = self._least_images(a, b)
        return images / (images - 1)


def holm(p_values: Sequence[float]) -> list[float]:
    """Apply Holm's correction: return p-values that hold for all comparisons together, in the given order."""
    adjusted = [0.0] * len(p_values)
    highest = 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = highest
    return adjusted


def _covariance(values: Floats) -> Floats:
    """Return the covariance [rows, rows] of values [rows, draws]."""
    centred = values - values.mean(axis=1, keepdims=True)
    return np.asarray(centred @ centred.T / (values.shape[1] - 1))


def _variance(matrix: Floats, a: Rows, b: Rows | None) -> Floats:
    """Return the variance of rows ``a``, or of their differences from rows ``b``; zero where only rounding is left of it."""
    if b is None:
        return np.maximum(matrix[a, a], 0)
    both = np.abs(matrix[a, a]) + np.abs(matrix[b, b])
    found = matrix[a, a] + matrix[b, b] - 2 * matrix[a, b]
    return np.where(found > _ROUNDING * both, found, 0)


def _half_width(parts: Parts, alpha: float | Floats) -> Floats:
    """Return half the width of intervals at levels ``alpha``: one for each element of the parts' variances."""
    return np.asarray(np.sqrt(sum(variance * special.stdtrit(freedom, alpha / 2) ** 2 for variance, freedom in parts)))


def _p_values(centres: Floats, parts: Parts) -> Floats:
    """Return the levels at which the intervals about these centres just reach zero, at least 1e-12."""
    distances = np.abs(centres)
    found = np.where(distances >= _half_width(parts, _SMALLEST), _SMALLEST, 1.0)
    found[sum(variance for variance, _ in parts) == 0] = _SMALLEST
    found[distances == 0] = 1
    open_ = np.flatnonzero((found == 1) & (distances > 0))
    if len(open_):
        some = [(variance[open_], freedom[open_]) for variance, freedom in parts]
        spread = [array for part in some for array in part]

        def beyond(log_p: Floats, distance: Floats, *spread: Floats) -> Floats:
            pairs = list(zip(spread[::2], spread[1::2], strict=True))
            return _half_width(pairs, np.exp(log_p)) - distance

        root = elementwise.find_root(beyond, (math.log(_SMALLEST), 0.0), args=(distances[open_], *spread))
        found[open_] = np.exp(root.x)
    return found
