"""GNetViT: every voxel pools the local tokens of every layer with a field of its own (appendix F.1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any

import torch
from torch import Generator, Tensor, nn

from brainbench import Features, FitContext, Responses
from brainbench.fitting import (
    RECIPES,
    ChannelAlign,
    EncoderModel,
    FittedModel,
    Recipe,
    fit_model,
    load_training_data,
    one_grid,
    pool_out,
    pool_out_loss,
    restore_model,
)


def load(*, settings: Mapping[str, Any]) -> GNetViT:
    """The encoder of card ``gnetvit``."""
    return GNetViT(RECIPES[settings["recipe"]].with_settings(settings))


@dataclass(frozen=True)
class GNetViT:
    """The encoder: a baseline that selects space and layer voxel by voxel, neither factorised nor smooth over the cortex."""

    recipe: Recipe

    def fit(self, features: Features, responses: Responses, context: FitContext) -> FittedModel:
        """Fit on train, choose on val. Raises DataError when tokens or responses cannot be used, or when the fit diverges."""
        one_grid(features)
        data = load_training_data(features, responses, ("local",), memory=self.recipe.memory, device=context.device)
        return fit_model(self._model(features, data.voxels, context.seed), data, self.recipe, context)

    def restore(self, parameters: Mapping[str, Tensor], features: Features, device: str) -> FittedModel:
        """Return the fit with these parameters, for features of the same layers; raises DataError if they are not its own."""
        return restore_model(lambda voxels: self._model(features, voxels), parameters, features, device)

    def _model(self, features: Features, voxels: int, seed: int = 0) -> GNetViTModel:
        height, width = one_grid(features)
        generator = torch.Generator().manual_seed(seed)
        return GNetViTModel(features.channels, height * width, voxels, self.recipe, generator)


class GNetViTModel(EncoderModel):
    """Local tokens -> D by channel align -> the voxel's fields over space and layers -> its regression.

    Fields start as averages, 1 / (L H W) everywhere, and are free: nothing keeps them positive or smooth. They are stored in
    units of that start: AdamW moves every figure by about the learning rate a step, several times what a field starts at.
    places: H * W.
    """

    def __init__(self, channels: Sequence[int], places: int, voxels: int, recipe: Recipe, generator: Generator) -> None:
        super().__init__(voxels, recipe.dim)
        self.align = ChannelAlign(channels, recipe.dim, generator)
        size = len(channels) * places
        self.fields = nn.Parameter(torch.ones(voxels, size))
        self.channel = nn.Parameter(torch.randn(voxels, recipe.dim, generator=generator) / sqrt(recipe.dim))
        self.constant = nn.Parameter(torch.zeros(voxels))

    def forward(self, tokens: Sequence[Tensor]) -> Tensor:
        """Per layer [B, H*W, C_l] -> responses [B, V]; without gradients."""
        return pool_out(self.align(tokens), self.fields, self._weights()) + self.constant

    def loss(self, tokens: Sequence[Tensor], observed: Tensor, penalty: float, blur: float = 0.0) -> Tensor:
        """Smooth L1."""
        return pool_out_loss(self.align(tokens), self.fields, self._weights(), self.constant, observed)

    def _weights(self) -> Tensor:
        """The sum over layers and places becomes a mean; that the fields are divided, or the weights, is the same."""
        return self.channel / self.fields.shape[1]
