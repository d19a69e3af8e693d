"""classToken: all voxels read one vector made of the global tokens of every layer (appendix F.1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Generator, Tensor

from brainbench import Features, FitContext, Responses
from brainbench.fitting import (
    RECIPES,
    ChannelAlign,
    EncoderModel,
    FittedModel,
    Linear,
    Recipe,
    fit_model,
    load_training_data,
    restore_model,
)


def load(*, settings: Mapping[str, Any]) -> ClassToken:
    """The encoder of card ``classtoken``."""
    return ClassToken(RECIPES[settings["recipe"]].with_settings(settings))


@dataclass(frozen=True)
class ClassToken:
    """The encoder: a baseline that selects nothing."""

    recipe: Recipe

    def fit(self, features: Features, responses: Responses, context: FitContext) -> FittedModel:
        """Fit on train, choose on val. Raises DataError when tokens or responses cannot be used, or when the fit diverges."""
        data = load_training_data(features, responses, ("global",), memory=self.recipe.memory, device=context.device)
        return fit_model(self._model(features, data.voxels, context.seed), data, self.recipe, context)

    def restore(self, parameters: Mapping[str, Tensor], features: Features, device: str) -> FittedModel:
        """Return the fit with these parameters, for features of the same layers; raises DataError if they are not its own."""
        return restore_model(lambda voxels: self._model(features, voxels), parameters, features, device)

    def _model(self, features: Features, voxels: int, seed: int = 0) -> ClassTokenModel:
        return ClassTokenModel(features.channels, voxels, self.recipe, torch.Generator().manual_seed(seed))


class ClassTokenModel(EncoderModel):
    """Global token of each layer -> D by its own matrix -> mean over layers -> a linear regression for every voxel."""

    def __init__(self, channels: Sequence[int], voxels: int, recipe: Recipe, generator: Generator) -> None:
        super().__init__(voxels, recipe.dim)
        self.align = ChannelAlign(channels, recipe.dim, generator)
        self.regression = Linear(recipe.dim, voxels, generator)

    def forward(self, tokens: Sequence[Tensor]) -> Tensor:
        """Per layer [B, 1, C_l] -> responses [B, V]."""
        responses: Tensor = self.regression(self.align([layer[:, 0] for layer in tokens]).mean(dim=0))
        return responses
