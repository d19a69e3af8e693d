"""Spectral-tSNE: eigenvectors as places in the plane and in space, and as colours (AlignedCut, section 3 and C.5).

One t-SNE serves all the nodes it is given: hand it all images, layers and backbones together and a colour means the same in each.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from brainbench import DataError
from brainbench_alignedcut.neighbours import blocks, most_similar

PERPLEXITY = 30.0
FEWEST = 10
"""Different nodes below which t-SNE has no neighbourhoods to keep."""


def colours(vectors: NDArray[np.floating], *, sample: int = 2000, seed: int = 0) -> NDArray[np.uint8]:
    """RGB [M, 3]: ``space``, each axis stretched to 0 ... 255; one along which nothing differs is 128 throughout."""
    places = _tsne(vectors, 3, sample, seed)
    least, width = places.min(axis=0), np.ptp(places, axis=0)
    share = np.divide(places - least, width, out=np.full_like(places, 0.5), where=width > 0)
    rgb: NDArray[np.uint8] = np.rint(255 * share).astype(np.uint8)
    return rgb


def plane(vectors: NDArray[np.floating], *, sample: int = 2000, seed: int = 0) -> NDArray[np.float32]:
    """2-D t-SNE [M, 2] of eigenvectors [M, count]; see ``space``."""
    return _tsne(vectors, 2, sample, seed)


def space(vectors: NDArray[np.floating], *, sample: int = 2000, seed: int = 0) -> NDArray[np.float32]:
    """3-D t-SNE [M, 3] of eigenvectors [M, count].

    ``sample`` nodes drawn by ``seed`` are laid out; every other takes the place of the nearest of them (C.5, K = 1). With fewer
    than ten different nodes among them, or no more eigenvectors than dimensions, the places are principal components.

    Raises:
        DataError: no table of vectors, or a value that is not finite.
    """
    return _tsne(vectors, 3, sample, seed)


def _tsne(vectors: NDArray[np.floating], dimensions: int, sample: int, seed: int) -> NDArray[np.float32]:
    """Places [M, dimensions]; see ``space``."""
    if vectors.ndim != 2 or not vectors.size or not np.isfinite(vectors).all():
        raise DataError(
            f"t-SNE: eigenvectors of shape {list(vectors.shape)} must be a finite [nodes, eigenvectors] table"
        )
    chance = np.random.default_rng(seed)
    drawn = np.sort(chance.choice(len(vectors), min(sample, len(vectors)), replace=False))
    chosen = np.unique(vectors[drawn].astype(np.float32), axis=0)
    places = _lay_out(chosen, dimensions, seed)
    # The nearest to v is the u of greatest u.v - |u|^2 / 2; about their mean, float32 tells near ones apart.
    middle = chosen.mean(axis=0)
    landmarks = np.column_stack([chosen - middle, -((chosen - middle) ** 2).sum(axis=1) / 2])
    everywhere = np.empty((len(vectors), dimensions), np.float32)
    for rows in blocks(len(vectors), len(chosen)):
        block = np.column_stack([vectors[rows] - middle, np.ones(rows.stop - rows.start)]).astype(np.float32)
        everywhere[rows] = places[most_similar(block, landmarks, 1)[1][:, 0]]
    return everywhere


def _lay_out(chosen: NDArray[np.float32], dimensions: int, seed: int) -> NDArray[np.float32]:
    """Places [m, dimensions] of different nodes [m, count]."""
    from sklearn.manifold import TSNE

    if len(chosen) < FEWEST or chosen.shape[1] <= dimensions:
        centred = chosen - chosen.mean(axis=0)
        left, scale, _ = np.linalg.svd(centred, full_matrices=False)
        places = np.zeros((len(chosen), dimensions), np.float32)
        width = min(dimensions, len(scale))
        places[:, :width] = (left * scale)[:, :width]
        return places
    perplexity = min(PERPLEXITY, (len(chosen) - 1) / 3)
    # scikit-learn's own rate is never below 50: too fast for a few hundred nodes in three dimensions, which then fly apart.
    rate = len(chosen) / 48
    method = TSNE(dimensions, perplexity=perplexity, learning_rate=rate, init="pca", random_state=seed)
    laid_out: NDArray[np.float32] = method.fit_transform(chosen)
    return laid_out
