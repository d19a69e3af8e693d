"""The tokens of a layer -> its classes compared with the true ones, by halves of the images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from brainbench.datasets import VOID
from brainbench_alignedcut import oracle
from brainbench_alignedcut.overlap import confusion, miou
from brainbench_alignedcut.spectral import embed


@dataclass(frozen=True)
class Segmentation:
    """How a layer's classes and the true ones overlap.

    overlaps: kind ("oracle", "clusters") -> confusion matrix of the images of each half, [2, K, K]; notes: what the spectral
    embedding did otherwise than asked.
    """

    overlaps: Mapping[str, np.ndarray]
    notes: tuple[str, ...]

    def miou(self, kind: str) -> float:
        """Over all images."""
        return miou(self.overlaps[kind].sum(axis=0))

    def halves(self, kind: str) -> list[float]:
        """Over the images of each half; NaN for a half without a token of known class."""
        return [miou(counts) for counts in self.overlaps[kind]]


def segment(
    nodes: np.ndarray,
    truth: np.ndarray,
    second: np.ndarray,
    *,
    eigenvectors: int,
    sample: int,
    neighbours: int | None,
    seed: int,
) -> Segmentation:
    """Spectral embedding of all images' tokens together, and the classes of the tokens that have one in the truth.

    nodes: [n x H x W, C]; truth: [n, H, W], a class or ``VOID``; second: bool [n], the images of the second half. Raises
    DataError for tokens that are not finite.
    """
    spectrum = embed(nodes, eigenvectors, sample=sample, neighbours=neighbours, seed=seed)
    known = truth.ravel() != VOID
    classes, vectors = truth.ravel()[known], spectrum.vectors[known]
    half = np.repeat(second, truth[0].size)[known]
    said = {"oracle": oracle.by_centres(vectors, classes), "clusters": oracle.by_clusters(vectors, classes, seed)}
    size = int(classes.max()) + 1
    overlaps = {
        kind: np.stack([confusion(classes[part], labels[part], size) for part in (~half, half)])
        for kind, labels in said.items()
    }
    return Segmentation(overlaps, spectrum.notes)


def across_halves(layers: Sequence[Sequence[float]]) -> float | None:
    """Score the layer that is best on one half on the other half: mean of both ways. None if a half has no score.

    layers: for each layer, its score on each half.
    """
    figures = np.array(layers)
    if np.isnan(figures).any():
        return None
    first, second = figures.argmax(axis=0)
    return float((figures[first, 1] + figures[second, 0]) / 2)
