"""Standardisation: channels and voxels on one scale, with the statistics of the train split."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


class Moments:
    """Mean and standard deviation of every channel of values [n, ..., C] that come piece by piece.

    Summed in float64 as distances from the first row, so that a constant channel has a deviation of exactly zero.
    """

    def __init__(self) -> None:
        self._count = 0

    def add(self, values: Tensor) -> None:
        """[n, ..., C]: the next n."""
        rows = values.reshape(-1, values.shape[-1])
        if not len(rows):
            return
        if not self._count:
            self._origin = rows[0].double()
            self._total, self._squares = torch.zeros_like(self._origin), torch.zeros_like(self._origin)
        distance = rows.double() - self._origin
        self._total += distance.sum(dim=0)
        self._squares += distance.square_().sum(dim=0)
        self._count += len(rows)

    @property
    def mean(self) -> Tensor:
        """[C] float64."""
        return self._origin + self._total / self._count

    @property
    def variation(self) -> Tensor:
        """Sum of the squared distances from the mean, [C] float64."""
        return (self._squares - self._total.square() / self._count).clamp_min(0)

    @property
    def sd(self) -> Tensor:
        """[C] float64."""
        return (self.variation / self._count).sqrt()


@dataclass(frozen=True)
class Standardisation:
    """z = (x - mean) / sd along the last axis. mean, sd: [C] float32; sd is 1 where there is nothing to scale."""

    mean: Tensor
    sd: Tensor

    @classmethod
    def of(cls, moments: Moments) -> Standardisation:
        """To mean 0 and standard deviation 1; kept on the CPU."""
        sd = moments.sd.float().cpu()
        return cls(moments.mean.float().cpu(), torch.where(sd == 0, 1.0, sd))

    def apply(self, values: Tensor) -> Tensor:
        """[..., C] -> the same, standardised, float32."""
        return (values.float() - self.mean.to(values.device)) / self.sd.to(values.device)

    def undo(self, values: Tensor) -> Tensor:
        """[..., C], standardised -> in the units it came in."""
        return values * self.sd.to(values.device) + self.mean.to(values.device)

    def without_scale(self) -> Standardisation:
        """One that undoes everything to the mean."""
        return Standardisation(self.mean, torch.zeros_like(self.sd))
