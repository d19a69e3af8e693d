"""Pearson's correlation of every unit with every voxel, a block of units at a time.

The correlations of M units with V voxels are never all in memory: what is kept is each voxel's best units, and each unit's best
voxel. Shapes: n images, M units, V voxels.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Floats = NDArray[np.float32]
# Correlations in memory at a time: 64 MB of float32.
_FIGURES = 1 << 24
_ROWS = 256  # in double precision at a time
# A series that varies less than this share of its size does not vary: float32 does not resolve it.
_CONSTANT = 1e-6


def standardised(values: Floats, weights: NDArray[np.float64]) -> tuple[Tensor, Tensor, Tensor]:
    """Return (columns centred and of unit norm [n, K] float32, their means [K], their norms [K], both float64).

    weights: [n], how many trials each image stands for. A row is multiplied by the root of its weight, so that the dot product
    of two columns is Pearson's correlation over images, weighted by trials. A column that does not vary becomes 0, with norm 0.
    """
    share = torch.from_numpy(weights / weights.sum())
    columns = torch.from_numpy(values)
    mean = torch.zeros(columns.shape[1], dtype=torch.float64)
    square = torch.zeros_like(mean)
    for start in range(0, len(columns), _ROWS):
        some = slice(start, start + _ROWS)
        mean += share[some] @ columns[some].double()
    for start in range(0, len(columns), _ROWS):
        some = slice(start, start + _ROWS)
        square += share[some] @ (columns[some].double() - mean).square()
    norm = square.sqrt()
    norm[norm <= _CONSTANT * mean.abs()] = 0
    result = columns - mean.float()
    result *= share.sqrt().float()[:, None]
    result /= torch.where(norm > 0, norm, torch.inf).float()
    return result, mean, norm


def blocks(series: Tensor, responses: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """Yield (units, correlations [m, V]), of standardised series [n, M] and responses [n, V]."""
    step = max(1, _FIGURES // max(1, responses.shape[1]))
    for start in range(0, series.shape[1], step):
        units = slice(start, min(start + step, series.shape[1]))
        yield units, series[:, units].T @ responses


class BestUnits:
    """The ``count`` most similar units of every voxel, over all blocks that were offered.

    values: [count, V], descending, -inf where there is none; units: [count, V], their numbers.
    """

    def __init__(self, voxels: int, count: int, device: str = "cpu") -> None:
        self.count = count
        self.values = torch.full((count, voxels), -torch.inf, device=device)
        self.units = torch.full((count, voxels), -1, dtype=torch.int64, device=device)

    def offer(self, correlations: Tensor, first: int) -> None:
        """Offer the units ``first``, ``first`` + 1 ... by their correlations [m, V]; -inf for one that may not be chosen."""
        if self.count == 1:
            values, units = (part[None] for part in correlations.max(dim=0))
        else:
            values, units = correlations.topk(min(self.count, len(correlations)), dim=0)
        values, units = torch.cat([self.values, values]), torch.cat([self.units, units + first])
        # Stable: of two that are equally similar, the first stays.
        order = values.argsort(dim=0, descending=True, stable=True)[: self.count]
        self.values, self.units = values.gather(0, order), units.gather(0, order)
