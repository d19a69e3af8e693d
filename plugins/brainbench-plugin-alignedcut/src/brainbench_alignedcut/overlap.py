"""Two labellings of the same tokens -> their confusion matrix and mIoU."""

from __future__ import annotations

import math

import numpy as np


def confusion(truth: np.ndarray, said: np.ndarray, classes: int) -> np.ndarray:
    """How many tokens of each class (rows) are said to be of each class (columns): int64 [K, K]. truth, said: [M], below K."""
    return np.bincount(truth.astype(np.int64) * classes + said, minlength=classes**2).reshape(classes, classes)


def miou(counts: np.ndarray) -> float:
    """Mean over classes of intersection over union, of a confusion matrix [K, K] over all images.

    The mean is over classes that are in the truth or are said of some token: ``jaccard_score(average="macro")`` of
    scikit-learn. NaN for a matrix of zeros.
    """
    union = _union(counts).diagonal()
    there = union > 0
    return float(np.mean(counts.diagonal()[there] / union[there])) if there.any() else math.nan


def ious(counts: np.ndarray) -> np.ndarray:
    """Intersection over union of every class (rows) with every label (columns), [K, K]; 0 where neither is there."""
    union = _union(counts)
    shares: np.ndarray = np.divide(counts, union, out=np.zeros(counts.shape), where=union > 0)
    return shares


def _union(counts: np.ndarray) -> np.ndarray:
    union: np.ndarray = counts.sum(axis=1)[:, None] + counts.sum(axis=0)[None, :] - counts
    return union
