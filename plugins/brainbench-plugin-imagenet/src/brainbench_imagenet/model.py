"""Vision transformers trained on ImageNet, built and read by torchvision."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from torch import nn
from torchvision.models import get_model
from torchvision.models.vision_transformer import VisionTransformer

from brainbench import Backbone, ModuleBackbone, Weights, build_network, numbered_layers, square

# The last thing in a block before the residual sum of its attention branch is the dropout, which does nothing in eval mode.
TAPS = {"block": "encoder.layers.encoder_layer_{}", "attention": "encoder.layers.encoder_layer_{}.dropout"}


def load(*, name: str, architecture: str, weights: Weights, settings: Mapping[str, Any]) -> Backbone:
    """The network ``architecture`` (a torchvision name, or "mini") with the weights that were asked for.

    Pictures are squashed and normalised by ImageNet's statistics (paper), which are this network's own too (native).
    Raises WeightsError if the weights do not fit.
    """
    network = build_network(partial(build, architecture), weights, settings["init_seed"], name=name, drop=("heads.",))
    layers = numbered_layers(network, TAPS[settings["tap"]])
    return ModuleBackbone(network, layers, partial(square, size=network.image_size))


def build(architecture: str) -> VisionTransformer:
    """A torchvision VisionTransformer as its library initialises it, without its classifier.

    That is no layer that anybody reads; a file may come without it, or with another one.
    """
    mini = {"image_size": 64, "patch_size": 8, "num_layers": 12, "num_heads": 3, "hidden_dim": 96, "mlp_dim": 384}
    network = VisionTransformer(**mini) if architecture == "mini" else get_model(architecture)
    network.heads = nn.Identity()
    return network
