"""Momentum contrast without a queue, symmetric over two views; the backbone, the necks and the loss are mmpretrain's."""

from __future__ import annotations

import math
from collections.abc import Mapping
from copy import deepcopy

import torch
from brainbench_mocov3.model import build
from mmpretrain.models.heads import MoCoV3Head
from mmpretrain.models.necks import NonLinearNeck
from torch import Tensor, nn

from brainbench import seeded
from tools.train_minis.objective import Recipe, pixels
from tools.train_minis.probe import probe
from tools.train_minis.stream import Scenes
from tools.train_minis.views import blurred, colours, crops

_HIDDEN, _OUT, _TEMPERATURE, _MOMENTUM = 512, 128, 0.2, 0.99
_PREDICTOR = {
    "type": "NonLinearNeck",
    "in_channels": _OUT,
    "hid_channels": _HIDDEN,
    "out_channels": _OUT,
    "num_layers": 2,
    "with_bias": False,
    "with_last_bn": True,
    "with_last_bn_affine": False,
    "with_last_bias": False,
    "with_avg_pool": False,
}


class Pair(nn.Module):
    """The network and its slow copy."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        with seeded(seed):
            backbone = build("mocov3/mini", "mini", "mmpretrain")
        with seeded(seed):
            neck = NonLinearNeck(
                96,
                _HIDDEN,
                _OUT,
                num_layers=3,
                with_bias=False,
                with_last_bn=True,
                with_last_bn_affine=False,
                with_last_bias=False,
                with_avg_pool=False,
            )
            self.head = MoCoV3Head(
                _PREDICTOR, {"type": "CrossEntropyLoss", "loss_weight": 2 * _TEMPERATURE}, _TEMPERATURE
            )
        self.fast = nn.ModuleDict({"backbone": backbone, "neck": neck})
        self.slow = deepcopy(self.fast).requires_grad_(False)

    def forward(self, one: Tensor, other: Tensor) -> Tensor:
        """The loss of both views against the slow copy's of the other."""
        with torch.no_grad():
            target_one, target_other = _projected(self.slow, one), _projected(self.slow, other)
        return self.head.loss(_projected(self.fast, one), target_other) + self.head.loss(
            _projected(self.fast, other), target_one
        )


class Momentum:
    """MoCo v3."""

    recipe = Recipe(images=32_000, batch=128, rate=1e-3, decay=0.1, warmup=0.1)

    def __init__(self, seed: int) -> None:
        self.module = Pair(seed)

    def loss(self, scenes: Scenes, progress: float) -> Tensor:
        """Of two random views of every scene."""
        return self.module(_view(scenes), _view(scenes))

    def after_step(self, progress: float) -> None:
        """Draw the slow copy nearer, ever less so."""
        kept = 1 - (1 - _MOMENTUM) * (1 + math.cos(math.pi * progress)) / 2
        with torch.no_grad():
            for slow, fast in zip(self.module.slow.parameters(), self.module.fast.parameters(), strict=True):
                slow.lerp_(fast, 1 - kept)

    def figures(self, seen: Scenes, held_out: Scenes) -> Mapping[str, float]:
        """A linear probe of the class token."""
        backbone = self.module.fast["backbone"]

        def features(scenes: Scenes) -> Tensor:
            return torch.cat(
                [_class_token(backbone, pixels(scenes.images[i : i + 250])) for i in range(0, len(scenes), 250)]
            )

        return probe(features, seen, held_out)

    def state(self) -> Mapping[str, Tensor]:
        """The backbone, named as in OpenMMLab's files."""
        return {f"backbone.{name}": tensor for name, tensor in self.module.fast["backbone"].state_dict().items()}


def _class_token(backbone: nn.Module, shown: Tensor) -> Tensor:
    said = backbone(shown)[-1]
    return said[1] if isinstance(said, (tuple, list)) else said


def _projected(part: nn.ModuleDict, shown: Tensor) -> Tensor:
    projected: Tensor = part["neck"]([_class_token(part["backbone"], shown)])[0]
    return projected


def _view(scenes: Scenes) -> Tensor:
    images = torch.from_numpy(scenes.images).permute(0, 3, 1, 2).float() / 255
    shown = blurred(colours(crops(images, 64, 0.3, 1.0)))
    return pixels((shown.permute(0, 2, 3, 1) * 255).round().byte().numpy())


def make(seed: int) -> Momentum:
    """Of freshly initialised weights."""
    return Momentum(seed)
