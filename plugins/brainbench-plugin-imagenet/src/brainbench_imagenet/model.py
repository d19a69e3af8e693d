"""Vision transformers trained on ImageNet, built and read by torchvision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn
from torchvision.models import get_model, get_weight
from torchvision.models.feature_extraction import create_feature_extractor
from torchvision.models.vision_transformer import VisionTransformer

from brainbench import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    Backbone,
    Tokens,
    Weights,
    WeightsError,
    file_sha256,
    load_state,
    load_strict,
    square,
)

# The last thing in a block before the residual sum of its attention branch is the dropout, which does nothing in eval mode.
TAPS = {"block": "encoder.layers.encoder_layer_{}", "attention": "encoder.layers.encoder_layer_{}.dropout"}


def load(
    *, name: str, architecture: str, release: str | None, weights: Weights, settings: Mapping[str, Any]
) -> Backbone:
    """The network ``architecture`` (a torchvision name, or "mini") with the weights that were asked for.

    A card without a ``release`` names its own initialisation. Raises WeightsError if the weights are not there or do not fit.
    """
    network = build(architecture, settings["init_seed"])
    path = weights.path
    if weights.kind == "release" and release is not None:
        path = released(name, get_weight(release).url)
    if path is not None:
        load_strict(network, load_state(path), what=f"{name} ({path})")
    return ImageNetBackbone(network.eval().requires_grad_(False), settings["tap"])


def build(architecture: str, seed: int) -> VisionTransformer:
    """A torchvision VisionTransformer as its library initialises it; the global random state stays as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        if architecture == "mini":
            return VisionTransformer(
                image_size=64, patch_size=8, num_layers=12, num_heads=3, hidden_dim=96, mlp_dim=384
            )
        return get_model(architecture)


def released(name: str, url: str) -> Path:
    """The released checkpoint in torch's cache, downloaded if need be; its hash, part of the file's name, is checked.

    Raises WeightsError if it is not there and cannot be downloaded, or is damaged.
    """
    path = Path(torch.hub.get_dir()) / "checkpoints" / Path(url).name
    others = f"or give --weights {name}=FILE, or ask for {name}@untrained"
    sha256 = path.stem.rpartition("-")[2]
    if not path.exists():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            torch.hub.download_url_to_file(url, str(path), sha256, progress=False)
        except (OSError, RuntimeError) as error:
            raise WeightsError(
                f"{name}: {path} is not there and could not be downloaded ({error}); put {url} there, {others}"
            ) from None
    if not file_sha256(path).startswith(sha256):
        raise WeightsError(f"{name}: {path} is damaged, its sha256 does not begin with {sha256}; delete it, {others}")
    return path


class ImageNetBackbone:
    """The Backbone around the network: the residual stream after each block, or each block's attention branch."""

    layers: Sequence[str]
    module: nn.Module | None

    def __init__(self, network: VisionTransformer, tap: str) -> None:
        self.layers = tuple(f"layer{i + 1}" for i in range(len(network.encoder.layers)))
        nodes = {TAPS[tap].format(i): layer for i, layer in enumerate(self.layers)}
        self.module = self._extractor = create_feature_extractor(network, nodes).eval()
        self._grid = network.image_size // network.patch_size
        self._preprocess = partial(square, size=network.image_size, mean=IMAGENET_MEAN, std=IMAGENET_STD)

    def preprocess(self, image: Image.Image) -> Tensor:
        """One RGB image -> [3, H, W]: squashed, ImageNet statistics, which are this network's own too."""
        return self._preprocess(image)

    def tokens(self, batch: Tensor) -> Tokens:
        """[B, 3, H, W] -> per layer [B, C, H / patch, W / patch] and [B, C]; the final norm is not applied."""
        sequences = self._extractor(batch)
        return Tokens.from_sequences([sequences[layer] for layer in self.layers], (self._grid, self._grid))
