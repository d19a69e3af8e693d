"""Encoders whose voxels all read the same vector: each voxel has a regression of its own, and nothing else."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import torch
from torch import Generator, Tensor

from brainbench.fitting.channel_align import Linear
from brainbench.fitting.closed_form import (
    fitted_on_train,
    image_folds,
    mean_responses,
    solve_shared,
    some_voxels,
    worth_it,
)
from brainbench.fitting.fitted import FittedModel, fit_model, restore_model
from brainbench.fitting.model import EncoderModel
from brainbench.fitting.prediction import evaluating
from brainbench.fitting.recipes import Recipe
from brainbench.fitting.token_reader import chunks
from brainbench.fitting.training_data import TrainingData
from brainbench.types import Features, FitContext

# Voxels by which val chooses.
_SAMPLE = 256
SIDE_BY_SIDE = "voxels read the layers side by side, which predicts the val split better than their mean"


class SharedModel(EncoderModel):
    """A vector of D channels for all voxels, then a linear regression for every voxel.

    apart: the regression on the layers side by side, where that is what predicts.
    """

    def __init__(self, voxels: int, dim: int, generator: Generator) -> None:
        super().__init__(voxels, dim)
        self.regression = Linear(dim, voxels, generator)
        self.apart: Linear | None = None

    @abstractmethod
    def vector(self, tokens: Sequence[Tensor]) -> Tensor:
        """Per layer [B, P, C_l] -> what all voxels read, [B, D]."""

    def side_by_side(self, tokens: Sequence[Tensor]) -> Tensor | None:
        """The same before layers are mixed, [B, p], for a regression that mixes them itself; None where they have to be."""
        return None

    def forward(self, tokens: Sequence[Tensor]) -> Tensor:
        """Per layer [B, P, C_l] -> responses [B, V]."""
        beside = None if self.apart is None else self.side_by_side(tokens)
        if self.apart is not None and beside is not None:
            return torch.nn.functional.linear(beside, self.apart.weight, self.apart.bias)
        return torch.nn.functional.linear(self.vector(tokens), self.regression.weight, self.regression.bias)


def fit_shared(
    model: SharedModel, data: TrainingData, recipe: Recipe, context: FitContext, *, closed: bool
) -> FittedModel:
    """Train ``model``; closed: then solve for every voxel's regression, on train and val together.

    Each is a ridge with a penalty chosen by folds of images. What is solved on train for the vector, and for the layers side
    by side, is compared on val; a note says which predicts, if it is the latter.
    """
    fitted = fit_model(model, data, recipe, context)
    if not closed:
        return fitted
    with evaluating(model):
        notes = _close(model, data, context)
    # Whatever the learned regressions are worth, others predict now.
    return replace(fitted, units=data.units, notes=(*data.notes, *notes))


def restore_shared(
    make: Callable[[int], SharedModel], parameters: Mapping[str, Tensor], features: Features, device: str
) -> FittedModel:
    """``restore_model`` for such a model, whichever of its two regressions predicts."""

    def model(voxels: int) -> SharedModel:
        made = make(voxels)
        if "model.apart.weight" in parameters:
            made.apart = _linear(*(torch.empty_like(parameters[f"model.apart.{name}"]) for name in ("weight", "bias")))
        return made

    return restore_model(model, parameters, features, device)


def _close(model: SharedModel, data: TrainingData, context: FitContext) -> tuple[str, ...]:
    responses, images, trials = mean_responses(data)
    vectors, beside = list[Tensor](), list[Tensor]()
    for part in chunks(images):
        tokens = data.tokens_of(part, context.device)
        vectors.append(model.vector(tokens))
        layers = model.side_by_side(tokens)
        if layers is not None:
            beside.append(layers)
    judge = fitted_on_train(images, data.stimulus[data.train])
    some = some_voxels(data.voxels, _SAMPLE)

    def missed(read: Tensor) -> float:
        found = solve_shared(read, responses[:, some], trials, judge)
        return float(found.loss.amin(dim=1).sum())

    read = torch.cat(vectors)
    apart = False
    if beside and judge.judged:
        side_by_side = torch.cat(beside)
        if apart := worth_it(missed(side_by_side), missed(read)):
            read = side_by_side
    found = solve_shared(read, responses, trials, image_folds(len(images), context.seed))
    solved = _linear(found.weights.float(), found.constant.float())
    if apart:
        model.apart = solved
    else:
        model.regression = solved
    return (SIDE_BY_SIDE,) if apart else ()


def _linear(weight: Tensor, bias: Tensor) -> Linear:
    made = Linear(1, 1, torch.Generator(), zero=True)
    made.weight, made.bias = torch.nn.Parameter(weight), torch.nn.Parameter(bias)
    return made
