"""The training engine: one loop for every encoder that is fitted by gradient descent."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from math import isfinite
from typing import Any

import torch
from torch import Tensor, nn

from brainbench.errors import DataError
from brainbench.fitting.data import TrainingData
from brainbench.fitting.losses import smooth_l1
from brainbench.fitting.recipes import Recipe
from brainbench.fitting.soup import Checkpoints, greedy_soup
from brainbench.types import FitContext

_REPORT_EVERY = 10
# Batches are drawn from another stream than initial weights, which encoders draw from the plain seed.
_BATCH_STREAM = 1 << 32
# V x B x D figures in one block of predictions: 256 MB of float32.
_BLOCK_FIGURES = 1 << 26


class EncoderModel(nn.Module, ABC):
    """A differentiable map from tokens to standardised responses.

    voxels: V; dim: D; their product is what one image takes in memory. A submodule named ``selectors`` learns at a rate of its
    own (``Recipe.selector_lr``).
    """

    def __init__(self, voxels: int, dim: int) -> None:
        super().__init__()
        self.voxels, self.dim = voxels, dim

    @abstractmethod
    def forward(self, tokens: Sequence[Tensor]) -> Tensor:
        """Per layer [B, P, C_l] float32 -> standardised responses to these B images, [B, V]."""

    def loss(self, tokens: Sequence[Tensor], observed: Tensor, penalty: float) -> Tensor:
        """What a step descends: the smooth L1 loss against ``observed`` [B, V], a scalar.

        penalty: weight of the model's own penalty term at this step. Override it for a model that has one, or that can
        give the loss for less than its responses cost.
        """
        return smooth_l1(self(tokens), observed)


def train(model: EncoderModel, data: TrainingData, recipe: Recipe, context: FitContext) -> list[dict[str, float]]:
    """Fit ``model`` in place; return its history: step, mean loss and val_r2 of every epoch.

    Loss (appendix E.3): smooth L1 with beta 0.1, plus the model's penalty times its decaying weight. AdamW. The best epochs
    on the val split are kept and greedily averaged. Raises DataError when the loss or the val R2 stops being finite.
    """
    model.to(context.device)
    optimiser = torch.optim.AdamW(_groups(model, recipe), weight_decay=recipe.weight_decay, fused=True)
    validation = Validation(model, data, context.device)
    checkpoints, history, losses = Checkpoints(recipe.keep), list[dict[str, float]](), list[Tensor]()
    stale, figure = 0, ""
    for step, rows in zip(
        range(1, recipe.steps + 1), draw_batches(data.train, recipe.batch_size, context.seed), strict=False
    ):
        tokens = data.tokens_of(data.stimulus[rows], context.device)
        loss = model.loss(tokens, data.responses[rows].to(context.device), recipe.penalty_at(step - 1))
        _descend(optimiser, loss, recipe.lr_at(step - 1))
        losses.append(loss.detach())
        if step % recipe.epoch == 0 or step == recipe.steps:
            history.append(_epoch(step, losses, validation, recipe))
            stale = 0 if checkpoints.offer(history[-1]["val_r2"], model) else stale + 1
            figure, losses = f"val R2 {history[-1]['val_r2']:.3f}", []
        if step % _REPORT_EVERY == 0 or not losses:
            context.progress(step, recipe.steps, figure)
        if stale >= recipe.patience:
            break
    greedy_soup(model, checkpoints, validation.r2)
    return history


def draw_batches(rows: Tensor, size: int, seed: int) -> Iterator[Tensor]:
    """Endless batches of ``size`` row numbers, or of all if there are fewer: each row once before any comes again."""
    generator = torch.Generator().manual_seed(_BATCH_STREAM + seed)
    waiting = rows[:0]
    size = min(size, len(rows))
    while True:
        if len(waiting) < size:
            waiting = torch.cat([waiting, rows[torch.randperm(len(rows), generator=generator)]])
        yield waiting[:size]
        waiting = waiting[size:]


def predict(model: EncoderModel, stimuli: Tensor, tokens_of: Callable[[Tensor], list[Tensor]]) -> Tensor:
    """Standardised predictions [n, V] on the CPU for n stimuli, block by block so that memory stays bounded.

    tokens_of: stimuli of one block -> per layer [B, P, C_l] on the model's device.
    """
    block = max(1, min(64, _BLOCK_FIGURES // (model.voxels * model.dim)))
    result = torch.empty(len(stimuli), model.voxels)
    with torch.no_grad():
        for start in range(0, len(stimuli), block):
            part = slice(start, start + block)
            result[part] = model(tokens_of(stimuli[part])).cpu()
    return result


class Validation:
    """R2 on the val split: the mean over the voxels that vary there. Raises DataError if none does."""

    def __init__(self, model: EncoderModel, data: TrainingData, device: str) -> None:
        self._model, self._data, self._device = model, data, device
        self._stimuli, self._trial = torch.unique(data.stimulus[data.val], return_inverse=True)
        self._observed = data.responses[data.val]
        self._total = (self._observed - self._observed.mean(dim=0)).square().sum(dim=0)
        if not bool((self._total > 0).any()):
            raise DataError("no voxel varies over the val split: it needs two responses or more, give it more images")

    def r2(self) -> float:
        """R2 of the model as it stands."""
        predicted = predict(self._model, self._stimuli, lambda part: self._data.tokens_of(part, self._device))
        residual = (self._observed - predicted[self._trial]).square_().sum(dim=0)
        varies = self._total > 0
        return float((1 - residual[varies] / self._total[varies]).double().mean())


def _groups(model: EncoderModel, recipe: Recipe) -> list[dict[str, Any]]:
    selectors = [p for name, p in model.named_parameters() if name.startswith("selectors.")]
    others = [p for name, p in model.named_parameters() if not name.startswith("selectors.")]
    return [{"params": others, "share": 1.0}, {"params": selectors, "share": recipe.selector_lr}]


def _descend(optimiser: torch.optim.Optimizer, loss: Tensor, lr: float) -> None:
    for group in optimiser.param_groups:
        group["lr"] = lr * group["share"]
    optimiser.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    optimiser.step()


def _epoch(step: int, losses: Sequence[Tensor], validation: Validation, recipe: Recipe) -> dict[str, float]:
    loss = float(torch.stack(list(losses)).mean())
    score = validation.r2() if isfinite(loss) else loss
    if not isfinite(score):
        raise DataError(
            f"the fit diverged by step {step} (loss {loss:g}) at a learning rate of {recipe.lr:g}: "
            f"lower it (--set ENCODER.lr={recipe.lr / 10:g})"
        )
    return {"step": step, "loss": loss, "val_r2": score}
