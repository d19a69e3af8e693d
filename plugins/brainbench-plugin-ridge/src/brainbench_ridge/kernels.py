"""How alike two images are in the pooled tokens of a layer, without ever holding the tokens of a layer.

n images, F = C_l x pool x pool features.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import adaptive_avg_pool2d

from brainbench import DataError, Features

Floats = NDArray[np.float32]
Rows = NDArray[np.int64]

# Numbers in one block of tokens, 256 MB of float32; two blocks are held at once.
BLOCK = 1 << 26
# Images read from the store at once: as many as it keeps in one file.
_CHUNK = 64


@dataclass(frozen=True)
class PooledLayer:
    """One layer's pooled tokens, standardised by the images that a regression was fitted on.

    mean, sd: [F], of every channel at every place over the trials. Tokens are also divided by sqrt(F), so that all layers weigh
    the same, however wide they are.
    """

    layer: int
    pool: int
    mean: Floats
    sd: Floats

    @classmethod
    def of(cls, features: Features, layer: int, pool: int, rows: Rows, trials: Rows) -> PooledLayer:
        """Of the images with these row numbers, each seen in so many ``trials``. Raises DataError when tokens are not finite."""
        moments = Moments()
        for chunk in _pieces(len(rows), _CHUNK):
            raw = _pooled(features, layer, pool, rows[chunk])
            if not np.isfinite(raw).all():
                raise DataError(
                    f"layer {features.layers[layer]!r}: the local tokens of the train images hold NaN or infinity; "
                    "use wider numbers (--set BACKBONE.dtype=float32), or leave the layer out"
                )
            moments.add(raw, trials[chunk])
        return cls(layer, pool, *moments.scale)

    def add_kernel(self, total: Floats, share: float, features: Features, rows: Rows, trials: Rows) -> None:
        """Add ``share`` times the inner products of these images to ``total`` [n, n], each image times the root of its trials."""
        blocks = list(_pieces(len(rows), self._block))
        for number, a in enumerate(blocks):
            left = self._read(features, rows[a], root(trials[a]) * np.float32(share))
            for b in blocks[number:]:
                part = left @ self._read(features, rows[b], root(trials[b])).T
                total[a, b] += part
                if a != b:
                    total[b, a] += part.T

    def kernel(self, features: Features, stimuli: Rows, fitted: Features, rows: Rows, trials: Rows) -> Floats:
        """Inner products [m, n] of the images ``stimuli`` of ``features`` with the fitted images, ``rows`` of ``fitted``."""
        result = np.empty((len(stimuli), len(rows)), dtype=np.float32)
        for a in _pieces(len(stimuli), self._block):
            left = self._read(features, stimuli[a])
            for b in _pieces(len(rows), self._block):
                result[a, b] = left @ self._read(fitted, rows[b], root(trials[b])).T
        return result

    @property
    def _block(self) -> int:
        return max(1, BLOCK // len(self.mean))

    def _read(self, features: Features, rows: Rows, weight: Floats | None = None) -> Floats:
        """Standardised tokens [n, F], each image times its ``weight`` [n, 1]."""
        result = np.empty((len(rows), len(self.mean)), dtype=np.float32)
        for chunk in _pieces(len(rows), _CHUNK):
            result[chunk] = _pooled(features, self.layer, self.pool, rows[chunk])
        result -= self.mean
        result /= self.sd * np.float32(np.sqrt(len(self.mean)))
        if weight is not None:
            result *= weight
        return result


class Moments:
    """Mean and standard deviation of the columns of values [n, C] that come piece by piece.

    A row counts as often as it has trials. Summed in float64 as distances from the first row, so that a constant column has a
    deviation of exactly zero.
    """

    def __init__(self) -> None:
        self._count = 0

    def add(self, values: Floats, trials: Rows) -> None:
        """[n, C], with the trials [n] of each row."""
        if not self._count:
            self._origin = values[0].astype(np.float64)
            self._total, self._squares = np.zeros_like(self._origin), np.zeros_like(self._origin)
        distance = values - self._origin
        self._total += trials @ distance
        self._squares += trials @ np.square(distance, out=distance)
        self._count += int(trials.sum())

    @property
    def scale(self) -> tuple[Floats, Floats]:
        """(mean [C], deviation [C]); a deviation of 1 where nothing varies."""
        mean = self._total / self._count
        sd = np.sqrt(np.maximum(self._squares / self._count - np.square(mean), 0))
        return (mean + self._origin).astype(np.float32), np.where(sd > 0, sd, 1).astype(np.float32)


def _pooled(features: Features, layer: int, pool: int, rows: Rows) -> Floats:
    local = torch.from_numpy(np.array(features.local_tokens(layer, rows), dtype=np.float32))
    pooled: Floats = adaptive_avg_pool2d(local, pool).flatten(1).numpy()
    return pooled


def _pieces(count: int, size: int) -> Iterator[slice]:
    return (slice(start, min(start + size, count)) for start in range(0, count, size))


def root(trials: Rows) -> Floats:
    """[n, 1]: what a row that stands for the mean of so many trials is multiplied by, to count as often in least squares."""
    return np.sqrt(trials, dtype=np.float32)[:, None]


def folds(images: int, count: int, seed: int) -> list[tuple[Rows, Rows]]:
    """(fit, look) of each part: numbers of 0 to images - 1, drawn, ascending."""
    if images < count:
        raise DataError(f"{images} train and val images are too few for {count} folds; set ridge.folds lower")
    shuffled = np.random.default_rng(seed).permutation(images)
    looks = [np.sort(part) for part in np.array_split(shuffled, count)]
    return [(np.setdiff1d(shuffled, look), look) for look in looks]
