"""Standardisation: channels and voxels on one scale, with the statistics of the train split."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Standardisation:
    """z = (x - mean) / sd along the last axis. mean, sd: [C] float32; sd is 1 where there is nothing to scale."""

    mean: Tensor
    sd: Tensor

    @classmethod
    def of(cls, values: Tensor, block: int = 512) -> Standardisation:
        """Mean and standard deviation of every channel of ``values``, [n, ..., C], over all other axes.

        Summed block by block in float64 as distances from the first row, so that memory stays bounded and a constant channel
        has a deviation of exactly zero.
        """
        channels = values.shape[-1]
        origin = values.reshape(-1, channels)[0].double()
        total, squares, count = torch.zeros_like(origin), torch.zeros_like(origin), 0
        for start in range(0, len(values), block):
            distance = values[start : start + block].reshape(-1, channels).double() - origin
            total += distance.sum(dim=0)
            squares += distance.square().sum(dim=0)
            count += len(distance)
        mean = total / count
        sd = (squares / count - mean.square()).clamp_min(0).sqrt().float()
        return cls((mean + origin).float(), torch.where(sd > 0, sd, 1.0))

    def apply(self, values: Tensor) -> Tensor:
        """[..., C] -> the same, standardised, float32."""
        return (values.float() - self.mean) / self.sd

    def undo(self, values: Tensor) -> Tensor:
        """[..., C], standardised -> in the units it came in."""
        return values * self.sd + self.mean
