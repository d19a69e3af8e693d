"""Tokens under the wrong images: predictions from them cannot come from the images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from brainbench.errors import DataError
from brainbench.types import Features


class ShuffledFeatures:
    """``brainbench.Features`` whose row i is row ``source[i]`` of ``features``; source: [S].

    seed: of the shuffle, part of the key.
    """

    def __init__(self, features: Features, source: np.ndarray, seed: int) -> None:
        self._features, self._source = features, source
        self.key = f"{features.key} shuffled {seed}"
        self.layers, self.channels, self.grids = features.layers, features.channels, features.grids

    def __len__(self) -> int:
        return len(self._source)

    def local_tokens(self, layer: int, rows: np.ndarray | slice = slice(None)) -> np.ndarray:
        """Return [n, C_l, H_l, W_l] of the images that replace these rows."""
        return self._features.local_tokens(layer, self._source[rows])

    def global_tokens(self, layer: int, rows: np.ndarray | slice = slice(None)) -> np.ndarray:
        """Return [n, C_l] of the images that replace these rows."""
        return self._features.global_tokens(layer, self._source[rows])


def wrong_images(digests: Sequence[str], seed: int) -> np.ndarray:
    """Return [S], the row whose tokens each stimulus gets: one random cycle through all images, so no image keeps its own.

    digests: S sha256 of the image bytes. Rows that show the same image get the same wrong one. All splits are shuffled
    together, so that the pairs of test are broken like those of train. Raises DataError if there is only one image.
    """
    images, first, image = np.unique(np.asarray(digests), return_index=True, return_inverse=True)
    if len(images) < 2:
        raise DataError(
            f"{len(digests)} stimuli show {len(images)} image: a shuffle needs two or more; leave it out with --no-controls"
        )
    order = np.random.default_rng(seed).permutation(len(images))
    wrong = np.empty_like(order)
    wrong[order] = np.roll(order, 1)
    return np.asarray(first[wrong[image]])
