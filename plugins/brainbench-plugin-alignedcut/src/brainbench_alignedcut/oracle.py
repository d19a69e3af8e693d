"""Eigenvectors and true classes -> a segmentation: by class centres (C.4), and by clusters made without the truth."""

from __future__ import annotations

import numpy as np
from scipy.optimize import linear_sum_assignment

from brainbench_alignedcut.clusters import clusters
from brainbench_alignedcut.overlap import confusion, ious, miou

THRESHOLDS = np.linspace(0, 1, 10)
BACKGROUND = 0


def by_centres(vectors: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """The class of every token, [M], by the oracle of C.4.

    A class's centre is the mean eigenvector of its tokens, the background's too. A token has the class of the centre with which
    its cosine is largest, but is background where that cosine is below a threshold: the one of ``THRESHOLDS``
    whose mIoU is best, the first of equals.

    vectors: [M, count]; truth: [M], classes from 0, each named here if any token has it.
    """
    there = np.unique(truth)
    centres = np.stack([vectors[truth == one].mean(axis=0) for one in there])
    cosines = _unit(vectors) @ _unit(centres).T
    nearest, largest = there[cosines.argmax(axis=1)], cosines.max(axis=1)
    tried = [np.where(largest < threshold, BACKGROUND, nearest) for threshold in THRESHOLDS]
    classes = int(there[-1]) + 1
    return tried[int(np.argmax([miou(confusion(truth, said, classes)) for said in tried]))]


def by_clusters(vectors: np.ndarray, truth: np.ndarray, seed: int) -> np.ndarray:
    """Return the class of every token, [M], by as many clusters (``clusters.clusters``) as there are classes.

    Each cluster is assigned a class so that mIoU is largest (Hungarian assignment). Equal tokens make fewer clusters; a
    class without a cluster counts as 0.
    """
    there, index = np.unique(truth, return_inverse=True)
    labels = clusters(vectors, len(there), seed=seed)
    classes, matched = linear_sum_assignment(ious(confusion(index, labels, len(there))), maximize=True)
    standing_for = np.empty(len(there), there.dtype)
    standing_for[matched] = there[classes]
    named: np.ndarray = standing_for[labels]
    return named


def _unit(vectors: np.ndarray) -> np.ndarray:
    """Rows of length 1; a row of zeros stays."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    scaled: np.ndarray = np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)
    return scaled
