"""CLIP image encoders, built and read by open_clip."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import open_clip
from torch import nn

from brainbench import (
    CLIP_MEAN,
    CLIP_STD,
    IMAGENET_MEAN,
    IMAGENET_STD,
    Backbone,
    ModuleBackbone,
    Weights,
    load_state,
    load_strict,
    seeded,
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
    visual = build(architecture, settings["init_seed"])
    if weights.path is not None:
        state = load_state(weights.path)
        load_strict(nn.ModuleDict({"visual": visual}), state, drop=TEXT_TOWER, what=f"{name} ({weights.path})")
    tap = TAPS[settings["tap"]]
    layers = {f"layer{i + 1}": tap.format(i) for i in range(len(visual.transformer.resblocks))}
    mean, std = (CLIP_MEAN, CLIP_STD) if settings["preproc"] == "native" else (IMAGENET_MEAN, IMAGENET_STD)
    preprocess = partial(square, size=visual.image_size[0], mean=mean, std=std)
    return ModuleBackbone(visual.eval().requires_grad_(False), layers, preprocess)


def build(architecture: str, seed: int) -> Any:
    """An open_clip VisionTransformer as its library initialises it; the global random state stays as it was."""
    config = MINI if architecture == "mini" else open_clip.get_model_config(architecture)
    with seeded(seed):
        vision = open_clip.CLIPVisionCfg(**config["vision_cfg"])
        return open_clip.CLIP(config["embed_dim"], vision, NO_TEXT, quick_gelu=config.get("quick_gelu", False)).visual
