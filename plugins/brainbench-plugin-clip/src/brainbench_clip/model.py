"""CLIP image encoders, built and read by open_clip."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import open_clip

from brainbench import (
    CLIP_MEAN,
    CLIP_STD,
    IMAGENET_MEAN,
    IMAGENET_STD,
    Backbone,
    ModuleBackbone,
    Weights,
    build_network,
    numbered_layers,
    square,
)

MINI: dict[str, Any] = {
    "embed_dim": 96,
    "vision_cfg": {"image_size": 64, "layers": 12, "width": 96, "head_width": 32, "patch_size": 8},
}
# Only the image tower is wanted, but open_clip builds the two together: the smallest text tower there can be.
NO_TEXT = open_clip.CLIPTextCfg(context_length=1, vocab_size=1, width=8, heads=1, layers=1)
# ls_1 is the last thing before the residual sum: LayerScale, or the identity where there is none.
TAPS = {"block": "transformer.resblocks.{}", "attention": "transformer.resblocks.{}.ls_1"}
# What a CLIP checkpoint holds besides ``visual.``.
TEXT_TOWER = (
    "attn_mask",
    "ln_final.",
    "logit_bias",
    "logit_scale",
    "positional_embedding",
    "text.",
    "text_projection",
    "token_embedding.",
    "transformer.",
)


def load(*, name: str, architecture: str, weights: Weights, settings: Mapping[str, Any]) -> Backbone:
    """The image tower of ``architecture`` (an open_clip name, or "mini") with the weights that were asked for.

    Pictures are squashed and normalised by ImageNet's statistics (paper) or CLIP's own (native). Raises WeightsError if the
    weights do not fit.
    """
    visual = build_network(
        partial(build, architecture), weights, settings["init_seed"], name=name, inside="visual", drop=TEXT_TOWER
    )
    mean, std = (CLIP_MEAN, CLIP_STD) if settings["preproc"] == "native" else (IMAGENET_MEAN, IMAGENET_STD)
    preprocess = partial(square, size=visual.image_size[0], mean=mean, std=std)
    return ModuleBackbone(visual, numbered_layers(visual, TAPS[settings["tap"]]), preprocess)


def build(architecture: str) -> Any:
    """An open_clip VisionTransformer as its library initialises it."""
    config = MINI if architecture == "mini" else open_clip.get_model_config(architecture)
    vision = open_clip.CLIPVisionCfg(**config["vision_cfg"])
    return open_clip.CLIP(config["embed_dim"], vision, NO_TEXT, quick_gelu=config.get("quick_gelu", False)).visual
