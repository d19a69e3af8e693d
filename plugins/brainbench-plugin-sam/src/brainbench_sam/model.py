"""The image encoders of Segment Anything, built and run by segment_anything or by timm."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from brainbench import Backbone, ModuleBackbone, Tokens, Weights, build_network, numbered_layers, square

PAPER_SIZE = 224
# The arguments go by the same names in both libraries.
_SAM: dict[str, Any] = {"img_size": 1024, "patch_size": 16, "window_size": 14, "use_rel_pos": True}
ARCHITECTURES: dict[str, dict[str, Any]] = {
    "vit_b": _SAM | {"embed_dim": 768, "depth": 12, "num_heads": 12, "global_attn_indexes": (2, 5, 8, 11)},
    "vit_l": _SAM | {"embed_dim": 1024, "depth": 24, "num_heads": 16, "global_attn_indexes": (5, 11, 17, 23)},
    "vit_h": _SAM | {"embed_dim": 1280, "depth": 32, "num_heads": 16, "global_attn_indexes": (7, 15, 23, 31)},
    "mini": {
        "img_size": 64,
        "patch_size": 8,
        "window_size": 4,
        "use_rel_pos": True,
        "embed_dim": 96,
        "depth": 12,
        "num_heads": 3,
        "global_attn_indexes": (2, 5, 8, 11),
    },
}
# Neither library scales a layer in these networks: the attention itself is the last thing before the residual sum.
TAPS = {"block": "blocks.{}", "attention": "blocks.{}.attn"}
# What a checkpoint holds besides the transformer.
OTHER_PARTS = ("image_encoder.neck.", "mask_decoder.", "pixel_mean", "pixel_std", "prompt_encoder.")


def load(*, name: str, architecture: str, weights: Weights, settings: Mapping[str, Any]) -> Backbone:
    """The image encoder ``architecture`` (a key of ARCHITECTURES) with the weights that were asked for.

    Pictures are squashed to 224 px and enlarged to the network's size inside (paper), or squashed to that size at once (native);
    the statistics are ImageNet's. Raises WeightsError if the weights do not fit.
    """
    library = settings["library"]
    network = build_network(
        partial(build, architecture, library),
        weights,
        settings["init_seed"],
        name=name,
        convert=lambda state: {timm_name(key) if library == "timm" else key: state[key] for key in state},
        inside="image_encoder",
        drop=OTHER_PARTS,
    )
    size: int = ARCHITECTURES[architecture]["img_size"]
    layers = numbered_layers(network, TAPS[settings["tap"]])
    windows = {f"layer{i + 1}": block.window_size for i, block in enumerate(network.blocks)}
    read = partial(read_tokens, windows=windows, grid=size // ARCHITECTURES[architecture]["patch_size"])
    squashed = size if settings["preproc"] == "native" else min(PAPER_SIZE, size)
    preprocess = partial(square, size=squashed)
    return EnlargingBackbone(network, layers, preprocess, read, size=size)


def build(architecture: str, library: str) -> Any:
    """The encoder as ``library`` initialises it, without the neck: what the mask decoder reads is no layer of the transformer."""
    # timm's own default is an epsilon of 1e-5; the released networks were trained with this one.
    shape = ARCHITECTURES[architecture] | {"norm_layer": partial(nn.LayerNorm, eps=1e-6)}
    network: Any
    if library == "timm":
        from timm.models import VisionTransformerSAM

        network = VisionTransformerSAM(**shape, num_classes=0)
    else:
        from segment_anything.modeling import ImageEncoderViT

        network = ImageEncoderViT(**shape)
    network.neck = nn.Identity()
    return network


def timm_name(key: str) -> str:
    """What timm calls the parameter that is ``key`` in a released file."""
    return key.replace(".mlp.lin", ".mlp.fc") if key.startswith("image_encoder.") else key


def read_tokens(output: Tensor, name: str, *, windows: Mapping[str, int], grid: int) -> Tokens:
    """[B, grid, grid, C], or the windows of it that attention runs in -> the tokens of one layer."""
    if output.shape[1] != grid:
        output = joined(output, windows[name], grid)
    return Tokens.from_local([output.permute(0, 3, 1, 2)])


def joined(windows: Tensor, size: int, grid: int) -> Tensor:
    """[B * n * n, size, size, C], windows row by row -> [B, grid, grid, C]; padding on the right and below is cut off."""
    across = -(-grid // size)
    side = across * size
    rows = windows.reshape(-1, across, across, size, size, windows.shape[-1]).transpose(2, 3)
    return rows.reshape(-1, side, side, windows.shape[-1])[:, :grid, :grid]


class EnlargingBackbone(ModuleBackbone):
    """A ModuleBackbone that enlarges its batches to the one size its network takes, as the paper's code does."""

    def __init__(
        self,
        module: nn.Module,
        layers: Mapping[str, str],
        preprocess: Callable[[Image.Image], Tensor],
        read: Callable[[Tensor, str], Tokens],
        *,
        size: int,
    ) -> None:
        super().__init__(module, layers, preprocess, read)
        self._size = size

    def tokens(self, batch: Tensor) -> Tokens:
        """[B, 3, H, W] -> the tokens of every layer."""
        if batch.shape[-2:] != (self._size, self._size):
            batch = F.interpolate(batch, size=(self._size, self._size), mode="bilinear", align_corners=False)
        return super().tokens(batch)
