"""What an objective has to give, and what all of them share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from brainbench import IMAGENET_MEAN, IMAGENET_STD
from tools.train_minis.stream import Scenes


@dataclass(frozen=True)
class Recipe:
    """How one network is trained. images: how many are seen; batch: in a step; rate: peak of AdamW's; decay: of the weights."""

    images: int
    batch: int = 128
    rate: float = 1e-3
    decay: float = 0.05
    warmup: float = 0.05


class Objective(Protocol):
    """One network and what it is taught. recipe: its default; module: all that is trained, in training mode."""

    recipe: Recipe
    module: nn.Module

    def loss(self, scenes: Scenes, progress: float) -> Tensor:
        """Of one batch; progress: 0..1, how far the training is. Randomness is torch's own, seeded anew for every step."""
        ...

    def after_step(self, progress: float) -> None:
        """What follows an optimiser's step, e.g. a momentum encoder's."""
        ...

    def figures(self, seen: Scenes, held_out: Scenes) -> Mapping[str, float]:
        """Figures of its own objective on held-out scenes, and ``chance_...`` for each that has a chance level.

        seen: training scenes, for a probe that needs some.
        """
        ...

    def state(self) -> Mapping[str, Tensor]:
        """What is shipped, in the layout that the plugin's own loader reads."""
        ...


def pixels(
    images: np.ndarray, mean: tuple[float, ...] = IMAGENET_MEAN, std: tuple[float, ...] = IMAGENET_STD
) -> Tensor:
    """uint8 [n, 64, 64, 3] -> normalised [n, 3, 64, 64]."""
    shown = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
    return (shown - torch.tensor(mean)[:, None, None]) / torch.tensor(std)[:, None, None]
