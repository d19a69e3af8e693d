"""classToken: all voxels read one vector made of the global tokens of every layer (appendix F.1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any

import torch
from torch import Generator, Tensor

from brainbench import Features, FitContext, Responses
from brainbench.fitting import (
    RECIPES,
    ChannelAlign,
    FittedModel,
    Recipe,
    SharedModel,
    fit_shared,
    load_training_data,
    restore_shared,
)


def load(*, settings: Mapping[str, Any]) -> ClassToken:
    """The encoder of card ``classtoken``."""
    recipe = RECIPES[settings["recipe"]].with_settings(settings)
    return ClassToken(recipe, closed=settings["channels"] == "closed" and settings["recipe"] != "paper")


@dataclass(frozen=True)
class ClassToken:
    """The encoder: a baseline that selects nothing. closed: whether the regressions that predict are solved for."""

    recipe: Recipe
    closed: bool = False

    def fit(self, features: Features, responses: Responses, context: FitContext) -> FittedModel:
        """Fit on train, choose on val; regressions in closed form are those of train and val together.

        Raises DataError when tokens or responses cannot be used, or when the fit diverges.
        """
        data = load_training_data(features, responses, ("global",), memory=self.recipe.memory, device=context.device)
        model = self._model(features, data.voxels, context.seed)
        return fit_shared(model, data, self.recipe, context, closed=self.closed)

    def restore(self, parameters: Mapping[str, Tensor], features: Features, device: str) -> FittedModel:
        """Return the fit with these parameters, for features of the same layers; raises DataError if they are not its own."""
        return restore_shared(lambda voxels: self._model(features, voxels), parameters, features, device)

    def _model(self, features: Features, voxels: int, seed: int = 0) -> ClassTokenModel:
        return ClassTokenModel(features.channels, voxels, self.recipe, torch.Generator().manual_seed(seed))


class ClassTokenModel(SharedModel):
    """Global token of each layer -> D by its own matrix -> mean over layers -> a linear regression for every voxel."""

    def __init__(self, channels: Sequence[int], voxels: int, recipe: Recipe, generator: Generator) -> None:
        super().__init__(voxels, recipe.dim, generator)
        self.align = ChannelAlign(channels, recipe.dim, generator)

    def vector(self, tokens: Sequence[Tensor]) -> Tensor:
        """Per layer [B, 1, C_l] -> [B, D]."""
        mean: Tensor = self.align([layer[:, 0] for layer in tokens]).mean(dim=0)
        return mean

    def side_by_side(self, tokens: Sequence[Tensor]) -> Tensor:
        """Global tokens, each layer divided by sqrt(C_l), so that all weigh the same however wide they are: [B, sum of C_l]."""
        return torch.cat([layer[:, 0] / sqrt(layer.shape[2]) for layer in tokens], dim=1)
