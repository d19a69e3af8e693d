"""Pooled tokens of a layer, and how alike two images are in them.

n images, F = C_l x pool x pool features.
"""

from __future__ import annotations

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

    mean, sd: [F], of every channel at every place over the trials; tokens: [n, F], standardised, and divided by sqrt(F): all
    layers weigh the same, however wide they are; then each image multiplied by the root of its trials.
    """

    layer: int
    pool: int
    mean: Floats
    sd: Floats
    tokens: Floats

    @classmethod
    def of(
        cls, features: Features, layer: int, pool: int, rows: NDArray[np.int64], trials: NDArray[np.int64]
    ) -> Pooled:
        """Of the images with these row numbers, each seen in so many ``trials``. Raises DataError when tokens are not finite."""
        raw = _pooled(features, layer, pool, rows)
        if not np.isfinite(raw).all():
            raise DataError(
                f"layer {features.layers[layer]!r}: the local tokens of the train images hold NaN or infinity; "
                "use wider numbers (--set BACKBONE.dtype=float32), or leave the layer out"
            )
        mean, sd = moments(raw, trials)
        return cls(layer, pool, mean, sd, _scaled(raw, mean, sd) * root(trials))

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


def moments(values: Floats, trials: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Mean and standard deviation [C] of values [n, C], each row counted as often as it has trials; 1 where none varies."""
    origin = values[0]
    distance = np.subtract(values, origin, dtype=np.float64)
    mean = np.average(distance, axis=0, weights=trials)
    sd = np.sqrt(np.average(np.square(distance - mean), axis=0, weights=trials))
    return (mean + origin).astype(np.float32), np.where(sd > 0, sd, 1).astype(np.float32)


def root(trials: NDArray[np.int64]) -> Floats:
    """[n, 1]: what a row that stands for the mean of so many trials is multiplied by, to count as often in least squares."""
    return np.sqrt(trials, dtype=np.float32)[:, None]


def folds(images: int, count: int, seed: int) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """(fit, look) of each part: numbers of 0 to images - 1, drawn, ascending."""
    if images < count:
        raise DataError(f"{images} train and val images are too few for {count} folds; set ridge.folds lower")
    shuffled = np.random.default_rng(seed).permutation(images)
    looks = [np.sort(part) for part in np.array_split(shuffled, count)]
    return [(np.setdiff1d(shuffled, look), look) for look in looks]
