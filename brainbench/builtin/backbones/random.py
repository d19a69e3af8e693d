"""The control ``random``: a plain vision transformer whose weights were drawn, not learned.

With an ordinary initialisation neighbouring layers are nearly copies of one another, and then no encoder can tell which of
them a voxel reads. Here the weights are orthogonal and each block's branches are GROWTH times stronger than those of the
block before, so that every layer adds something of its own: tokens of neighbouring layers correlate below 0.8.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from brainbench import IMAGENET_MEAN, IMAGENET_STD, Backbone, Tokens, Weights, WeightsError, square

SIZE, PATCH, WIDTH, HEADS, LAYERS = 64, 8, 96, 3, 12
GRID = SIZE // PATCH
FIRST_GAIN, GROWTH = 1.0, 1.3
# Queries and keys are scaled up, or every token would attend to all others alike and space would be averaged away.
ATTENTION_GAIN = 3.0
POSITION_STD = 0.5


def load(*, weights: Weights, settings: Mapping[str, Any]) -> Backbone:
    """The network drawn from ``settings["init_seed"]``. Raises WeightsError for a checkpoint: it is not for training."""
    if weights.kind == "file":
        raise WeightsError(
            f"random takes no weights, {weights.path} was given; draw others with --set random.init_seed=N"
        )
    return RandomBackbone(settings["init_seed"])


class RandomBackbone:
    """The Backbone around RandomTransformer."""

    layers: Sequence[str] = tuple(f"layer{i + 1}" for i in range(LAYERS))
    module: nn.Module | None

    def __init__(self, seed: int) -> None:
        threads = torch.get_num_threads()
        # Orthogonal matrices come out of a decomposition whose last digits depend on the number of threads.
        torch.set_num_threads(1)
        try:
            self.module = self._network = RandomTransformer(seed).eval().requires_grad_(False)
        finally:
            torch.set_num_threads(threads)
        self._preprocess = partial(square, size=SIZE, mean=IMAGENET_MEAN, std=IMAGENET_STD)

    def preprocess(self, image: Image.Image) -> Tensor:
        """One RGB image -> [3, SIZE, SIZE]."""
        return self._preprocess(image)

    def tokens(self, batch: Tensor) -> Tokens:
        """[B, 3, SIZE, SIZE] -> per layer [B, WIDTH, GRID, GRID] and [B, WIDTH]."""
        return Tokens.from_sequences(self._network(batch), (GRID, GRID))


class RandomTransformer(nn.Module):
    """Patches, class token, positions and LAYERS blocks. [B, 3, SIZE, SIZE] -> LAYERS x [B, 1 + GRID * GRID, WIDTH]."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.patches = _orthogonal(WIDTH, 3, PATCH, PATCH, generator=generator)
        self.class_token = _normal(1, 1, WIDTH, generator=generator)
        self.positions = _normal(1, 1 + GRID * GRID, WIDTH, generator=generator)
        self.blocks = nn.ModuleList(Block(FIRST_GAIN * GROWTH**i, generator) for i in range(LAYERS))

    def forward(self, batch: Tensor) -> list[Tensor]:
        """The residual stream after each block."""
        patches = functional.conv2d(batch, self.patches, stride=PATCH).flatten(2).transpose(1, 2)
        x = torch.cat([self.class_token.expand(len(batch), -1, -1), patches], dim=1) + self.positions
        outputs = []
        for block in self.blocks:
            x = block(x)
            outputs.append(x)
        return outputs


class Block(nn.Module):
    """A pre-norm transformer block whose two branches are weighted by ``gain``. [B, N, WIDTH] -> [B, N, WIDTH]."""

    def __init__(self, gain: float, generator: torch.Generator) -> None:
        super().__init__()
        self.gain = gain
        self.query = _orthogonal(WIDTH, WIDTH, gain=ATTENTION_GAIN, generator=generator)
        self.key = _orthogonal(WIDTH, WIDTH, gain=ATTENTION_GAIN, generator=generator)
        self.value = _orthogonal(WIDTH, WIDTH, generator=generator)
        self.project = _orthogonal(WIDTH, WIDTH, generator=generator)
        self.expand = _orthogonal(4 * WIDTH, WIDTH, generator=generator)
        self.contract = _orthogonal(WIDTH, 4 * WIDTH, generator=generator)

    def forward(self, x: Tensor) -> Tensor:
        """Attention, then the two-layer perceptron, each added to its input."""
        attended = _attend(*(_norm(x) @ weight.T for weight in (self.query, self.key, self.value)))
        x = x + self.gain * attended @ self.project.T
        return x + self.gain * functional.gelu(_norm(x) @ self.expand.T) @ self.contract.T


def _norm(x: Tensor) -> Tensor:
    return functional.layer_norm(x, x.shape[-1:])


def _attend(*qkv: Tensor) -> Tensor:
    query, key, value = (part.reshape(*part.shape[:2], HEADS, -1).transpose(1, 2) for part in qkv)
    return functional.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)


def _orthogonal(*shape: int, generator: torch.Generator, gain: float = 1.0) -> nn.Parameter:
    return nn.Parameter(nn.init.orthogonal_(torch.empty(shape), gain, generator=generator))


def _normal(*shape: int, generator: torch.Generator) -> nn.Parameter:
    return nn.Parameter(POSITION_STD * torch.randn(shape, generator=generator))
