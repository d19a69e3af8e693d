"""A tiny network with weights and a tiny task of labelled pictures, beside the toy plugin."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
import toy
from torch import nn

from brainbench import BackboneCard, DatasetCard, Labels, ModuleBackbone, Weights, seeded
from brainbench.builtin.datasets.labelled.dataset import LabelledDataset, of_arrays
from brainbench.plugins import Plugin
from brainbench.registry import Registry

CLASSES = ("blue", "green", "red")
PER_CLASS = 12


class Tiny(nn.Module):
    """Two layers, with buffers and dropout."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6), nn.GELU(), nn.Dropout(0.5))
        self.second = nn.Conv2d(6, 5, 3, padding=1)

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        return self.second(self.first(batch))  # type: ignore[no-any-return]


def load_tiny(*, weights: Weights, settings: Mapping[str, Any]) -> ModuleBackbone:
    with seeded({"release": 1, "untrained": 2}[weights.kind]):
        module = Tiny()
    module.eval()
    module.requires_grad_(False)
    return ModuleBackbone(module, ["first", "second"], toy.ToyNet().preprocess, layout="BCHW")


def load_colours(*, settings: Mapping[str, Any], data: Path | None, cache: Path) -> LabelledDataset:
    """One of the three channels is brighter."""
    labels = np.arange(len(CLASSES) * PER_CLASS) % len(CLASSES)
    pictures = toy.pictures(len(labels), seed=7) // 2
    for picture, label in zip(pictures, labels, strict=True):
        picture[..., 2 - label] += 60
    names = tuple(f"{row}.png" for row in range(len(labels)))
    return LabelledDataset(of_arrays(pictures, names), Labels(CLASSES, labels), "colours")


TINY = BackboneCard(name="tiny/net", loader=load_tiny, weights="tiny-1", default=True, mini=True, licence="MIT")
COLOURS = DatasetCard(name="colours", loader=load_colours, simulated=True)


def registry() -> Registry:
    plugin = Plugin("tiny", "tiny-dist", "1.0", {"backbones": (TINY,), "datasets": (COLOURS,)})
    return Registry((*toy.registry().plugins, plugin))
