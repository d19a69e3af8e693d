"""patchToken: all voxels read one vector, squeezed from the local tokens of every layer (appendix F.1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Generator, Tensor, nn

from brainbench import Features, FitContext, Responses
from brainbench.fitting import (
    RECIPES,
    ChannelAlign,
    FittedModel,
    Recipe,
    SharedModel,
    WideLinear,
    fit_shared,
    load_training_data,
    one_grid,
    restore_shared,
)


def load(*, settings: Mapping[str, Any]) -> PatchToken:
    """The encoder of card ``patchtoken``."""
    recipe = RECIPES[settings["recipe"]].with_settings(settings)
    return PatchToken(recipe, closed=settings["channels"] == "closed" and settings["recipe"] != "paper")


@dataclass(frozen=True)
class PatchToken:
    """The encoder: a baseline that sees where things are, but gives all voxels the same.

    closed: whether the regressions that predict are solved for, given the vector that was learned.
    """

    recipe: Recipe
    closed: bool = False

    def fit(self, features: Features, responses: Responses, context: FitContext) -> FittedModel:
        """Fit on train, choose on val; regressions in closed form are those of train and val together.

        Raises DataError when tokens or responses cannot be used, or when the fit diverges.
        """
        one_grid(features)
        data = load_training_data(features, responses, ("local",), memory=self.recipe.memory, device=context.device)
        model = self._model(features, data.voxels, context.seed)
        return fit_shared(model, data, self.recipe, context, closed=self.closed)

    def restore(self, parameters: Mapping[str, Tensor], features: Features, device: str) -> FittedModel:
        """Return the fit with these parameters, for features of the same layers; raises DataError if they are not its own."""
        return restore_shared(lambda voxels: self._model(features, voxels), parameters, features, device)

    def _model(self, features: Features, voxels: int, seed: int = 0) -> PatchTokenModel:
        height, width = one_grid(features)
        generator = torch.Generator().manual_seed(seed)
        return PatchTokenModel(features.channels, height * width, voxels, self.recipe, generator)


class PatchTokenModel(SharedModel):
    """Local tokens of a layer -> D each -> flattened over space -> D -> D; mean over layers; a regression for every voxel.

    The paper flattens C x H x W and feeds "a layer-unique MLP"; aligning the channels first needs a quarter of its weights,
    and the MLP has one hidden layer of D units. places: H * W.
    """

    def __init__(self, channels: Sequence[int], places: int, voxels: int, recipe: Recipe, generator: Generator) -> None:
        super().__init__(voxels, recipe.dim, generator)
        dim = recipe.dim
        self.align = ChannelAlign(channels, dim, generator)
        self.squeeze = nn.ModuleList(
            nn.Sequential(WideLinear(places * dim, dim, generator), nn.GELU(), WideLinear(dim, dim, generator))
            for _ in channels
        )

    def vector(self, tokens: Sequence[Tensor]) -> Tensor:
        """Per layer [B, H*W, C_l] -> [B, D]."""
        return self._squeezed(tokens).mean(dim=0)

    def side_by_side(self, tokens: Sequence[Tensor]) -> Tensor:
        """What is squeezed from each layer, [B, L D]."""
        return self._squeezed(tokens).transpose(0, 1).flatten(1)

    def _squeezed(self, tokens: Sequence[Tensor]) -> Tensor:
        aligned = self.align(tokens).flatten(2)
        return torch.stack([squeeze(layer) for squeeze, layer in zip(self.squeeze, aligned, strict=True)])
