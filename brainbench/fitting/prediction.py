"""Predictions and the R2 on the val split, block by block: beside a result, no more than a block is ever made."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

from brainbench.errors import DataError
from brainbench.fitting.model import EncoderModel
from brainbench.fitting.standardisation import Moments
from brainbench.fitting.training_data import TrainingData

# B x V figures in one block: 32 MB of float32.
_BLOCK_FIGURES = 1 << 23
_BLOCK = 64


def predictions(
    model: EncoderModel, stimulus: np.ndarray, tokens_of: Callable[[np.ndarray], list[Tensor]]
) -> Iterator[tuple[np.ndarray, Tensor]]:
    """Standardised predictions for n trials, in blocks: (trials [b] of 0 to n - 1, [b, V] on the model's device).

    stimulus: [n], what each trial saw; every stimulus is predicted once, in ascending order. tokens_of: stimuli -> per layer
    [B, P, C_l] on the model's device.
    """
    block = max(1, min(_BLOCK, _BLOCK_FIGURES // model.voxels))
    stimuli, shown = np.unique(stimulus, return_inverse=True)
    order = np.argsort(shown, kind="stable")
    edges = np.searchsorted(shown[order], np.arange(0, len(stimuli), block))
    for start, trials in zip(range(0, len(stimuli), block), np.split(order, edges)[1:], strict=True):
        with torch.no_grad():
            predicted = model(tokens_of(stimuli[start : start + block]))
        for part in np.split(trials, range(block, len(trials), block)):
            yield part, predicted[torch.from_numpy(shown[part] - start).to(predicted.device)]


class Validation:
    """R2 on the val split: the mean over the voxels that vary there. Raises DataError if none does."""

    def __init__(self, model: EncoderModel, data: TrainingData, device: str) -> None:
        self._model, self._data, self._device = model, data, device
        moments = Moments()
        for part in np.split(data.val, range(_BLOCK, len(data.val), _BLOCK)):
            moments.add(data.observed(part))
        self._total = moments.variation.to(device)
        self._varies = self._total > 0
        if not bool(self._varies.any()):
            raise DataError("no voxel varies over the val split: it needs two responses or more, give it more images")

    def r2(self) -> float:
        """R2 of the model as it stands."""
        data, residual = self._data, torch.zeros_like(self._total)
        blocks = predictions(self._model, data.stimulus[data.val], lambda part: data.tokens_of(part, self._device))
        for trials, predicted in blocks:
            observed = data.observed(data.val[trials]).to(self._device)
            residual += (observed - predicted).square_().sum(dim=0)
        return float((1 - residual[self._varies] / self._total[self._varies]).mean())
