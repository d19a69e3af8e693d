"""CLIP image encoders, built and read by open_clip."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import open_clip
import torch
from huggingface_hub import constants, file_exists, hf_hub_download, try_to_load_from_cache
from PIL import Image
from torch import Tensor, nn

from brainbench import (
    CLIP_MEAN,
    CLIP_STD,
    IMAGENET_MEAN,
    IMAGENET_STD,
    Backbone,
    Tokens,
    Weights,
    WeightsError,
    load_state,
    load_strict,
    read_outputs,
    square,
)

MINI: dict[str, Any] = {
    "embed_dim": 96,
    "vision_cfg": {"image_size": 64, "layers": 12, "width": 96, "head_width": 32, "patch_size": 8},
}
# Only the image tower is wanted, but open_clip builds the two together: the smallest text tower there can be.
NO_TEXT = open_clip.CLIPTextCfg(context_length=1, vocab_size=1, width=8, heads=1, layers=1)
# The names open_clip gives its checkpoints on the hub, the safe format first.
FILES = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")
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


def load(*, name: str, architecture: str, tag: str | None, weights: Weights, settings: Mapping[str, Any]) -> Backbone:
    """The image tower of ``architecture`` (an open_clip name, or "mini") with the weights that were asked for.

    A card without a ``tag`` names its own initialisation. Raises WeightsError if the weights are not there or do not fit.
    """
    visual = build(architecture, settings["init_seed"])
    path = weights.path
    if weights.kind == "release" and tag is not None:
        path = released(name, open_clip.get_pretrained_cfg(architecture, tag)["hf_hub"].strip("/"))
    if path is not None:
        load_strict(nn.ModuleDict({"visual": visual}), load_state(path), drop=TEXT_TOWER, what=f"{name} ({path})")
    return ClipBackbone(visual.eval().requires_grad_(False), settings)


def build(architecture: str, seed: int) -> Any:
    """An open_clip VisionTransformer as its library initialises it; the global random state stays as it was."""
    config = MINI if architecture == "mini" else open_clip.get_model_config(architecture)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        vision = open_clip.CLIPVisionCfg(**config["vision_cfg"])
        return open_clip.CLIP(config["embed_dim"], vision, NO_TEXT, quick_gelu=config.get("quick_gelu", False)).visual


def released(name: str, repository: str) -> Path:
    """The released checkpoint in the Hugging Face cache, downloaded if need be. Raises WeightsError if that fails."""
    cache = constants.HF_HUB_CACHE
    for file in FILES:
        cached = try_to_load_from_cache(repository, file, cache_dir=cache)
        if isinstance(cached, str):
            return Path(cached)
    try:
        file = next(file for file in FILES if file_exists(repository, file))
        return Path(hf_hub_download(repository, file, cache_dir=cache))
    # Which HTTP library raises depends on the version of huggingface_hub.
    except Exception as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise WeightsError(
            f"{name}: the weights of huggingface.co/{repository} are not in {cache} and could not be downloaded ({reason});"
            f" run `hf download {repository}` where there is a network, or give --weights {name}=FILE, or ask for"
            f" {name}@untrained"
        ) from None


class ClipBackbone:
    """The Backbone around an image tower: the residual stream after each block, or each block's attention branch."""

    layers: Sequence[str]
    module: nn.Module | None

    def __init__(self, visual: Any, settings: Mapping[str, Any]) -> None:
        self.module = self._visual = visual
        self._tap = settings["tap"]
        self.layers = tuple(f"layer{i + 1}" for i in range(len(visual.transformer.resblocks)))
        mean, std = (CLIP_MEAN, CLIP_STD) if settings["preproc"] == "native" else (IMAGENET_MEAN, IMAGENET_STD)
        self._preprocess = partial(square, size=visual.image_size[0], mean=mean, std=std)

    def preprocess(self, image: Image.Image) -> Tensor:
        """One RGB image -> [3, H, W]: squashed, ImageNet statistics (paper) or CLIP's own (native)."""
        return self._preprocess(image)

    def tokens(self, batch: Tensor) -> Tokens:
        """[B, 3, H, W] -> per layer [B, C, H / patch, W / patch] and [B, C]; the final norm is not applied."""
        return self._attention(batch) if self._tap == "attention" else self._blocks(batch)

    def _blocks(self, batch: Tensor) -> Tokens:
        read = self._visual.forward_intermediates(batch, intermediates_only=True, output_extra_tokens=True)
        prefixes = read["image_intermediates_prefix"]
        return Tokens(tuple(read["image_intermediates"]), tuple(prefix[:, 0] for prefix in prefixes))

    def _attention(self, batch: Tensor) -> Tokens:
        # ls_1 is the last thing before the residual sum: LayerScale, or the identity where there is none.
        names = [f"transformer.resblocks.{i}.ls_1" for i in range(len(self.layers))]
        return Tokens.from_sequences(read_outputs(self._visual, names, batch), self._visual.grid_size)
