"""Vision transformers trained on ImageNet, built and read by torchvision."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from torch import nn
from torchvision.models import get_model
from torchvision.models.vision_transformer import VisionTransformer

from brainbench import Backbone, ModuleBackbone, Weights, load_state, load_strict, seeded, square

# The last thing in a block before the residual sum of its attention branch is the dropout, which does nothing in eval mode.
TAPS = {"block": "encoder.layers.encoder_layer_{}", "attention": "encoder.layers.encoder_layer_{}.dropout"}


def load(*, name: str, architecture: str, weights: Weights, settings: Mapping[str, Any]) -> Backbone:
    """The network ``architecture`` (a torchvision name, or "mini") with the weights that were asked for.

    Pictures are squashed and normalised by ImageNet's statistics (paper), which are this network's own too (native).
    Raises WeightsError if the weights do not fit.
    """
    network = build(architecture, settings["init_seed"])
    # The classifier is no layer that anybody reads; a file may come without it, or with another one.
    network.heads = nn.Identity()
    if weights.path is not None:
        load_strict(network, load_state(weights.path), drop=("heads.",), what=f"{name} ({weights.path})")
    tap = TAPS[settings["tap"]]
    layers = {f"layer{i + 1}": tap.format(i) for i in range(len(network.encoder.layers))}
    return ModuleBackbone(network.eval().requires_grad_(False), layers, partial(square, size=network.image_size))


def build(architecture: str, seed: int) -> VisionTransformer:
    """A torchvision VisionTransformer as its library initialises it; the global random state stays as it was."""
    with seeded(seed):
        if architecture == "mini":
            return VisionTransformer(
                image_size=64, patch_size=8, num_layers=12, num_heads=3, hidden_dim=96, mlp_dim=384
            )
        return get_model(architecture)
