"""Representational dissimilarities: made from tokens, compared, and bounded by how far subjects agree.

P = n (n - 1) / 2 pairs of n images: the upper triangle of a matrix, row by row, as ``scipy.spatial.distance`` has it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.stats import kendalltau, rankdata


def upper_triangle(matrix: np.ndarray) -> np.ndarray:
    """[n, n] -> [P]."""
    return np.asarray(matrix[np.triu_indices(len(matrix), 1)])


def correlation_distances(patterns: np.ndarray) -> np.ndarray | None:
    """1 - Pearson's r between the patterns of every two images, [n, F] -> [P] float64; None if an image's pattern is flat."""
    # Where a few channels outweigh all others, distances are of the order 1e-4: float32 would jumble their ranks.
    unit = patterns.astype(np.float64)
    if (np.ptp(unit, axis=1) == 0).any():
        return None
    unit -= unit.mean(axis=1, keepdims=True)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    return 1 - upper_triangle(unit @ unit.T)


def agreement(one: np.ndarray, other: np.ndarray, compare: str) -> float:
    """Correlation of two sets of dissimilarities [P] that vary.

    compare: ``spearman``, ties take their average rank; ``pearson``; ``kendall``, tau-b.
    """
    if compare == "kendall":
        return float(kendalltau(one, other).statistic)
    if compare == "spearman":
        one, other = rankdata(one), rankdata(other)
    return float(np.corrcoef(one, other)[0, 1])


def noise_ceiling(own: np.ndarray, others: Sequence[np.ndarray], compare: str) -> tuple[float, float]:
    """(lower, upper) bound of one subject: agreement with the mean of the others, and with the mean of all, itself included.

    Their means over subjects are the bounds of Nili et al. 2014. Before the mean, dissimilarities [P] are ranked, for
    ``pearson`` standardised, so that no subject outweighs another.
    """
    mine, *rest = (_on_one_scale(rdm, compare) for rdm in (own, *others))
    return agreement(own, np.mean(rest, axis=0), compare), agreement(own, np.mean([mine, *rest], axis=0), compare)


def _on_one_scale(rdm: np.ndarray, compare: str) -> np.ndarray:
    return np.asarray((rdm - rdm.mean()) / rdm.std() if compare == "pearson" else rankdata(rdm))
