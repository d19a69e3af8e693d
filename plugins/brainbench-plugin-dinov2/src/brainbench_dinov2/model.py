"""DINOv2, built and read by timm; positions at 224 px as the authors' own code computes them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from typing import Any

import timm
import torch
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor
from torch.nn.functional import interpolate

from brainbench import Backbone, ModuleBackbone, Weights, build_network, numbered_layers, square

MINI: dict[str, Any] = {
    "patch_size": 8,
    "embed_dim": 96,
    "depth": 12,
    "num_heads": 3,
    # Registers, as in half of the family; without them it would be the mini of other families, number for number.
    "reg_tokens": 4,
    "no_embed_class": True,
    # LayerScale starts at 1, as where the authors build their released networks: from the 1e-5 of the training recipe all
    # layers of an untrained network would be nearly the same in half precision.
    "init_values": 1.0,
}
SIZES = {"paper": 224, "native": 518}
MINI_SIZE = 64
RELEASED_PATCH = 14
RELEASED_GRID = 37  # patches on a side, of 518 px
# ls1, LayerScale, is the last thing in a block's attention branch before the residual sum.
TAPS = {"block": "blocks.{}", "attention": "blocks.{}.ls1"}
# What the original release holds beyond the network that is read: it stood for masked patches in training.
TRAINING_ONLY = ("mask_token",)
# timm's names of the two linear maps of a SwiGLU perceptron (ViT-g).
SWIGLU = {"w12": "fc1", "w3": "fc2"}


def load(*, name: str, architecture: str, weights: Weights, settings: Mapping[str, Any]) -> Backbone:
    """The network ``architecture`` (a timm name, or "mini") with the weights that were asked for, in timm's or Meta's layout.

    Pictures are squashed to 224 px (paper) or to the 518 px of the released positions (native), with ImageNet's statistics.
    Raises WeightsError if the weights do not fit.
    """
    size = MINI_SIZE if architecture == "mini" else SIZES[settings["preproc"]]
    network = build_network(
        partial(build, architecture, size),
        weights,
        settings["init_seed"],
        name=name,
        convert=lambda state: fitted(renamed(state), size, registers="_reg" in architecture),
        drop=TRAINING_ONLY,
    )
    return ModuleBackbone(network, numbered_layers(network, TAPS[settings["tap"]]), partial(square, size=size))


def build(architecture: str, size: int) -> Any:
    """A timm VisionTransformer for ``size`` px as its library initialises it."""
    if architecture == "mini":
        return VisionTransformer(img_size=size, num_classes=0, **MINI)
    return timm.create_model(architecture, img_size=size, num_classes=0)


def renamed(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A state dict in the layout of Meta's release -> timm's; one that is in timm's comes back as it is.

    With registers, timm gives positions to patches only, so the class token carries its own.
    """
    new = {re.sub(r"(?<=\.mlp\.)(w12|w3)(?=\.)", lambda found: SWIGLU[found[0]], name): v for name, v in state.items()}
    if {"register_tokens", "cls_token", "pos_embed"} <= new.keys() and new["pos_embed"].ndim == 3:
        of_class, of_patches = new["pos_embed"].tensor_split([1], dim=1)
        # Of other shapes, load_strict will say what does not fit.
        if of_class.shape == new["cls_token"].shape:
            new |= {"reg_token": new.pop("register_tokens"), "pos_embed": of_patches}
            new["cls_token"] = new["cls_token"] + of_class
    return new


def fitted(state: dict[str, Tensor], size: int, *, registers: bool) -> dict[str, Tensor]:
    """The state dict with its positions resampled for ``size`` px, if they are for the grid of the release."""
    prefix = 0 if registers else 1
    grid = size // RELEASED_PATCH
    positions = state.get("pos_embed")
    if positions is None or positions.ndim != 3 or grid == RELEASED_GRID:
        return state
    if positions.shape[:2] != (1, prefix + RELEASED_GRID**2):
        return state
    patches = resampled(positions[:, prefix:], grid, registers=registers)
    # In float32, whatever the file has: the network is, too.
    return state | {"pos_embed": torch.cat([positions[:, :prefix].float(), patches], dim=1)}


def resampled(positions: Tensor, grid: int, *, registers: bool) -> Tensor:
    """[1, 37*37, C] -> [1, grid*grid, C], bicubic, in float32, as in ``dinov2.hub.backbones``.

    Networks without registers: no antialiasing, and a scale of (grid + 0.1) / 37, an offset the authors once added against
    rounding and kept. With registers: antialiased, the plain scale.
    """
    field = positions.float().transpose(1, 2).reshape(len(positions), -1, RELEASED_GRID, RELEASED_GRID)
    if registers:
        field = interpolate(field, size=(grid, grid), mode="bicubic", antialias=True)
    else:
        field = interpolate(field, scale_factor=(grid + 0.1) / RELEASED_GRID, mode="bicubic")
    return field.flatten(2).transpose(1, 2)
