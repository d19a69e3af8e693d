"""Pooled tokens of a layer, and how alike two images are in them.

n images, F = C_l x pool x pool features.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import adaptive_avg_pool2d

from brainbench import DataError, Features

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Pooled:
    """One layer's pooled tokens of the images that a regression was fitted on.

    mean, sd: [F], of every channel at every place; tokens: [n, F], standardised, and divided by sqrt(F): all layers weigh the
    same, however wide they are.
    """

    layer: int
    pool: int
    mean: Floats
    sd: Floats
    tokens: Floats

    @classmethod
    def of(cls, features: Features, layer: int, pool: int, rows: NDArray[np.int64]) -> Pooled:
        """Of the images with these row numbers. Raises DataError when tokens are not finite."""
        raw = _pooled(features, layer, pool, rows)
        if not np.isfinite(raw).all():
            raise DataError(
                f"layer {features.layers[layer]!r}: the local tokens of the train images hold NaN or infinity; "
                "use wider numbers (--set BACKBONE.dtype=float32), or leave the layer out"
            )
        mean, sd = raw.mean(axis=0, dtype=np.float64), raw.std(axis=0, dtype=np.float64)
        scale = np.where(sd > 0, sd, 1)
        mean, scale = mean.astype(np.float32), scale.astype(np.float32)
        return cls(layer, pool, mean, scale, _scaled(raw, mean, scale))

    def kernel(self, features: Features, rows: NDArray[np.int64]) -> Floats:
        """Inner products [m, n] of other images, by their row numbers, with these."""
        other = _scaled(_pooled(features, self.layer, self.pool, rows), self.mean, self.sd)
        return other @ self.tokens.T

    def own_kernel(self) -> Floats:
        """Inner products [n, n] of these images."""
        return self.tokens @ self.tokens.T


def _pooled(features: Features, layer: int, pool: int, rows: NDArray[np.int64], block: int = 512) -> Floats:
    parts = []
    for start in range(0, len(rows), block):
        local = torch.from_numpy(np.array(features.local_tokens(layer, rows[start : start + block]), dtype=np.float32))
        parts.append(adaptive_avg_pool2d(local, pool).flatten(1).numpy())
    return np.concatenate(parts)


def _scaled(raw: Floats, mean: Floats, sd: Floats) -> Floats:
    return np.asarray((raw - mean) / (sd * np.float32(np.sqrt(len(mean)))), dtype=np.float32)


def folds(stimulus: NDArray[np.int64], count: int, seed: int) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """(fit, look) row numbers of each part; the trials of one image are never on both sides."""
    images = np.unique(stimulus)
    if len(images) < count:
        raise DataError(f"{len(images)} train and val images are too few for {count} folds; set ridge.folds lower")
    shuffled = np.random.default_rng(seed).permutation(images)
    parts: Sequence[NDArray[np.int64]] = [np.flatnonzero(np.isin(stimulus, p)) for p in np.array_split(shuffled, count)]
    everything = np.arange(len(stimulus))
    return [(np.setdiff1d(everything, look), look) for look in parts]
