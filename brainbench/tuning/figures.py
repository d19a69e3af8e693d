"""How well a task is solved, and how much a layer changed."""

from __future__ import annotations

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

_PASSES = 1000


def accuracies(said: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """Return (share of images [n] that are named rightly, mean over classes of that share). said, labels: [n] of numbers."""
    right = said == labels
    return float(right.mean()), float(np.mean([right[labels == one].mean() for one in np.unique(labels)]))


def majority(labels: np.ndarray) -> tuple[float, float]:
    """Return both accuracies of always naming the most frequent class."""
    return accuracies(np.full_like(labels, np.bincount(labels).argmax()), labels)


def linear_probe(known: np.ndarray, labels: np.ndarray, asked: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    """Return both accuracies of a logistic regression on frozen tokens. known, asked: [n, C] to train and to test on."""
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=_PASSES)).fit(known, labels)
    return accuracies(model.predict(asked), truth)


def linear_cka(x: np.ndarray, y: np.ndarray) -> float:
    """Debiased linear CKA of x [n, C] and y [n, C'], n > 3 (Kornblith et al. 2019; Song et al. 2012, equation 5).

    1 if y is x, rotated; about 0 if they have nothing in common. NaN if one of them is constant.
    """
    both, itself, other = (_hsic(a, b) for a, b in ((x, y), (x, x), (y, y)))
    return float(both / np.sqrt(itself * other)) if itself > 0 and other > 0 else float("nan")


def _hsic(x: np.ndarray, y: np.ndarray) -> float:
    """Unbiased HSIC times n (n - 3), from the inner products of centred rows without their diagonals."""
    n = len(x)
    one, other = _products(x), _products(y)
    rows = one.sum(axis=1) @ other.sum(axis=1)
    return float((one * other).sum() + one.sum() * other.sum() / ((n - 1) * (n - 2)) - 2 / (n - 2) * rows)


def _products(x: np.ndarray) -> np.ndarray:
    centred = x.astype(np.float64) - x.mean(axis=0, dtype=np.float64)
    products = centred @ centred.T
    np.fill_diagonal(products, 0)
    return np.asarray(products)
