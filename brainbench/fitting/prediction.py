"""Predictions and the R2 on the val split, block by block: beside a result, no more than a block is ever made."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn

from brainbench.fitting.model import EncoderModel
from brainbench.fitting.training_data import TrainingData

# B x V figures in one block: 32 MB of float32.
_BLOCK_FIGURES = 1 << 23
_BLOCK = 64
_FLOOR = -1.0


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Every part of the model in eval mode and without gradients; afterwards in the mode it was in."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module, training in modes:
            module.training = training


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
    with evaluating(model):
        respond = model.predictor()
    for start, trials in zip(range(0, len(stimuli), block), np.split(order, edges)[1:], strict=True):
        tokens = tokens_of(stimuli[start : start + block])
        with evaluating(model):
            predicted = respond(tokens)
        for part in np.split(trials, range(block, len(trials), block)):
            yield part, predicted[torch.from_numpy(shown[part] - start).to(predicted.device)]


class Validation:
    """R2 on the val split: the mean over the voxels that vary there, none of them counted below -1.

    R2 is unbounded below: without a floor one voxel that is nearly still over a few val images would outvote all others, and
    decide when a fit stops. of_the_mean: that of the mean train response, whatever the image.

    Where no voxel varies, as with a single response, the sum of squares that errors are compared with is what the train split
    leads one to expect: the variance over it times the number of val responses.
    """

    def __init__(self, model: EncoderModel, data: TrainingData, device: str) -> None:
        self._model, self._data, self._device = model, data, device
        known = data.variation if bool(data.variation.any()) else torch.full_like(data.variation, len(data.val))
        self._total = known.to(device)
        self._varies = self._total > 0
        silence = torch.zeros_like(self._total)
        for part in np.split(data.val, range(_BLOCK, len(data.val), _BLOCK)):
            silence += data.observed(part).to(device).square().sum(dim=0)
        self.of_the_mean = self._score(silence)

    def r2(self) -> float:
        """R2 of the model as it stands."""
        data, residual = self._data, torch.zeros_like(self._total)
        blocks = predictions(self._model, data.stimulus[data.val], lambda part: data.tokens_of(part, self._device))
        for trials, predicted in blocks:
            observed = data.observed(data.val[trials]).to(self._device)
            residual += (observed - predicted).square_().sum(dim=0)
        return self._score(residual)

    def _score(self, residual: Tensor) -> float:
        return float((1 - residual[self._varies] / self._total[self._varies]).clamp_min(_FLOOR).mean())
