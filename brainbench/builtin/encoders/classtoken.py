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
        generator = torch.Generator().manual_seed(context.seed)
        model = ClassTokenModel(features.channels, data.voxels, self.recipe, generator)
        return fit_model(model, data, self.recipe, context)


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
