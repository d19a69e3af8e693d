"""Hard clusters of nodes from their eigenvectors."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from brainbench import DataError, UsageError

SAMPLE = 20_000
"""Nodes that k-means learns its centres from."""


def clusters(vectors: NDArray[np.floating], k: int, *, seed: int = 0) -> NDArray[np.int64]:
    """Return labels [M], 0 to k - 1: k-means of the rows of the first ``k`` eigenvectors [M, count], each row at length 1.

    The centres are learnt from at most 20,000 nodes drawn by ``seed``. If fewer than k different rows are among them, there
    are fewer labels.

    Raises:
        DataError: no table of vectors, or a value that is not finite.
        UsageError: k is not positive.
    """
    from sklearn.cluster import KMeans

    if k < 1:
        raise UsageError(f"clusters: k is {k}; give 1 or more")
    if vectors.ndim != 2 or not vectors.size or not np.isfinite(vectors).all():
        raise DataError(
            f"clusters: eigenvectors of shape {list(vectors.shape)} must be a finite [nodes, eigenvectors] table"
        )
    rows = vectors[:, :k].astype(np.float32)
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    np.divide(rows, length, out=rows, where=length > 0)
    drawn = np.random.default_rng(seed).choice(len(rows), min(SAMPLE, len(rows)), replace=False)
    different = len(np.unique(rows[drawn], axis=0))
    means = KMeans(min(k, different), n_init=10, random_state=seed).fit(rows[drawn])
    labels: NDArray[np.int64] = means.predict(rows).astype(np.int64)
    return labels
