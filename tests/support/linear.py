"""The smallest fit there is: one linear map from the first layer's global token to the responses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from brainbench import Responses
from brainbench.fitting import FAST, EncoderModel, Linear

QUICK = replace(FAST, passes=0, epoch=0.2, steps=60, batch_size=16, lr=0.02, dim=1)
VOXELS = 4


class LinearModel(EncoderModel):
    """The first layer's last place -> responses. each_step: called before every step's loss; penalty: its own term."""

    def __init__(self, channels: int = 5, voxels: int = VOXELS, penalty: float = 0.0) -> None:
        super().__init__(voxels, 1)
        self.map = Linear(channels, voxels, torch.Generator().manual_seed(0))
        self.penalty = penalty
        self.each_step: Callable[[], None] = lambda: None

    def forward(self, tokens: Sequence[Tensor]) -> Tensor:
        responses: Tensor = self.map(tokens[0][:, -1])
        return responses

    def loss(self, tokens: Sequence[Tensor], observed: Tensor, penalty: float, blur: float = 0.0) -> Tensor:
        self.each_step()
        return super().loss(tokens, observed, penalty, blur) + self.penalty * penalty


def linear_problem(make: Callable[..., Any], images: int = 120, repeats: int = 1) -> tuple[Any, Responses]:
    """Features of one layer with five channels, and four voxels that are linear in them; splits 4 : 1 : 1, mixed over the images."""
    rng = np.random.default_rng(0)
    tokens = rng.normal(size=(images, 5, 1, 1)).astype(np.float32)
    stimulus = rng.permutation(np.repeat(np.arange(images), repeats))
    values = tokens[stimulus, :, 0, 0] @ rng.normal(size=(5, VOXELS)) * 3 + 10
    values += 0.1 * rng.normal(size=values.shape)
    split = np.array(["train", "train", "val", "train", "train", "test"])[stimulus % 6]
    return make([tokens]), Responses("1", values.astype(np.float32), stimulus, split, "key")
