"""The encoders of masked autoencoders, built and read by timm. Nothing is masked: every patch is seen, in its own place."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import timm
from timm.models.vision_transformer import VisionTransformer

from brainbench import Backbone, ModuleBackbone, Weights, build_network, numbered_layers, square

MINI: dict[str, Any] = {"img_size": 64, "patch_size": 8, "embed_dim": 96, "depth": 12, "num_heads": 3}
# ls1 is the last thing in a block's attention branch before the residual sum: the identity here, as there is no LayerScale.
TAPS = {"block": "blocks.{}", "attention": "blocks.{}.ls1"}
# What a release that can still paint pictures holds besides the encoder.
DECODER = (
    "decoder_blocks.",
    "decoder_embed.",
    "decoder_norm.",
    "decoder_pos_embed",
    "decoder_pred.",
    "mask_token",
)


def load(*, name: str, architecture: str, weights: Weights, settings: Mapping[str, Any]) -> Backbone:
    """The encoder ``architecture`` (a timm name, or "mini") with the weights that were asked for.

    Meta's release and timm's name the encoder's weights alike. Pictures are squashed and normalised by ImageNet's statistics
    (paper), which are this network's own too (native). Raises WeightsError if the weights do not fit.
    """
    network = build_network(partial(build, architecture), weights, settings["init_seed"], name=name, drop=DECODER)
    preprocess = partial(square, size=network.patch_embed.img_size[0])
    return ModuleBackbone(network, numbered_layers(network, TAPS[settings["tap"]]), preprocess)


def build(architecture: str) -> Any:
    """A timm VisionTransformer as its library initialises it."""
    if architecture == "mini":
        return VisionTransformer(num_classes=0, **MINI)
    return timm.create_model(architecture, num_classes=0)
