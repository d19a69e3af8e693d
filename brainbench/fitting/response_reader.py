"""Responses as encoders read them: standardised, held on the device where they fit there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from brainbench.errors import DataError
from brainbench.fitting.standardisation import Moments, Standardisation
from brainbench.types import Responses

# Figures in one block of responses: 32 MB of float64.
_BLOCK_FIGURES = 1 << 22


@dataclass(frozen=True)
class ResponseReader:
    """Reads standardised responses of trials.

    values: [R, V], as the dataset gave them; units: how they are standardised; trials: [T] row numbers, ascending, of those
    that are held; held: [T, V] on the fit's device; None where every read goes to ``values``.
    """

    values: np.ndarray
    units: Standardisation
    trials: np.ndarray
    held: Tensor | None = None

    def read(self, trials: np.ndarray) -> Tensor:
        """[n, V] float32: on the device that holds them, else on the CPU."""
        if self.held is None:
            return self.units.apply(_rows(self.values, trials))
        return self.held[torch.from_numpy(np.searchsorted(self.trials, trials)).to(self.held.device)]

    def on(self, device: str) -> ResponseReader:
        """The same, with the standardised responses held on ``device``, so that no step waits for them."""
        held = torch.empty(len(self.trials), self.values.shape[1], device=device)
        for rows in _blocks(np.arange(len(self.trials)), self.values.shape[1]):
            held[rows[0] : rows[-1] + 1] = self.units.apply(_rows(self.values, self.trials[rows])).to(device)
        return ResponseReader(self.values, self.units, self.trials, held)


def response_reader(responses: Responses, train: np.ndarray, val: np.ndarray) -> tuple[ResponseReader, Tensor]:
    """(a reader scaled on the trials ``train``, how much each voxel varies over ``val``).

    The second is the sum of the squared distances from the mean of the standardised responses, [V] float64. Raises DataError
    when responses of ``train`` or ``val`` are not finite.
    """
    values, moments, val_moments = responses.values, Moments(), Moments()
    voxels = values.shape[1]
    bad = torch.zeros(voxels, dtype=torch.bool)
    for split, seen in ((train, moments), (val, val_moments)):
        for trials in _blocks(split, voxels):
            block = _rows(values, trials)
            bad |= ~block.isfinite().all(dim=0)
            seen.add(block)
    if bad.any():
        raise DataError(
            f"subject {responses.subject}: {int(bad.sum())} of {len(bad)} voxels hold NaN or infinity in the train or val "
            f"split, the first is voxel {int(bad.nonzero()[0])}; leave these voxels out of the dataset"
        )
    units = Standardisation.of(moments)
    return ResponseReader(values, units, np.union1d(train, val)), val_moments.variation / units.sd.double().square()


def _blocks(trials: np.ndarray, voxels: int) -> Iterator[np.ndarray]:
    size = max(1, _BLOCK_FIGURES // max(1, voxels))
    return (trials[start : start + size] for start in range(0, len(trials), size))


def _rows(values: np.ndarray, trials: np.ndarray) -> Tensor:
    return torch.from_numpy(np.asarray(values[trials], dtype=np.float32))
