"""Selectors: from a voxel to where, in which layers and at which scale it reads (section 3.1, Listing 1)."""

from __future__ import annotations

from math import log

import torch
from torch import Generator, Tensor, nn

from brainbench.fitting.modules import Linear
from brainbench.fitting.readout import Selection

HIDDEN = 128
FREQUENCIES = 32
SPAN = 100.0
FREE_GAIN = 20.0


def positional_encoding(coordinates: Tensor) -> Tensor:
    """Sines and cosines of 3-D coordinates: [V, 3] in any unit -> [V, 192].

    The longest axis is scaled to span 100 and the middle of the box becomes the origin; per axis 32 frequencies,
    log-spaced from 1 down to 1/1000.
    """
    low, high = coordinates.amin(dim=0), coordinates.amax(dim=0)
    span = (high - low).max()
    scaled = (coordinates - (low + high) / 2) * (SPAN / span if span > 0 else 0.0)
    frequencies = torch.logspace(0, -3, FREQUENCIES, dtype=coordinates.dtype, device=coordinates.device)
    angles = scaled[:, :, None] * frequencies
    return torch.cat([angles.sin(), angles.cos()], dim=2).flatten(1)


class TopologicalSelectors(nn.Module):
    """Selectors as smooth functions of the voxel's coordinates: three MLPs 192-128-128-{2, L, 1} on its positional encoding.

    samples: K, places that every voxel reads (Table 16, + multiple sample). Their last layers start at zero: every voxel starts at the image's centre, with all layers alike, half local and half global.
    """

    coordinates: Tensor
    encoding: Tensor

    def __init__(self, coordinates: Tensor, layers: int, generator: Generator, samples: int = 1) -> None:
        super().__init__()
        self.register_buffer("coordinates", coordinates)
        self.register_buffer("encoding", positional_encoding(coordinates), persistent=False)
        width = self.encoding.shape[1]
        self.space, self.layer, self.scale = (_mlp(width, outputs, generator) for outputs in (2 * samples, layers, 1))

    def forward(self) -> Selection:
        """The selection of all voxels."""
        return _select(self.space(self.encoding), self.layer(self.encoding), self.scale(self.encoding))


class FreeSelectors(nn.Module):
    """Selectors of the ablation without topology (Table 16): free figures for every voxel, nothing shared with its neighbours.

    Multiplied by ``FREE_GAIN``: AdamW moves every figure by about the learning rate a step, however strong its gradient, and the
    MLPs' outputs, sums over many weights, move many times faster.
    """

    def __init__(self, voxels: int, layers: int, samples: int = 1) -> None:
        super().__init__()
        self.space, self.layer, self.scale = (nn.Parameter(torch.zeros(voxels, n)) for n in (2 * samples, layers, 1))

    def forward(self) -> Selection:
        """The selection of all voxels."""
        return _select(self.space * FREE_GAIN, self.layer * FREE_GAIN, self.scale * FREE_GAIN)


def entropy_penalty(layer: Tensor) -> Tensor:
    """R = -(mean over voxels of H(w_i) / log L), from -1 (every layer alike) to 0 (one layer); layer: [V, L].

    Added to the loss it rewards entropy, early in the fit, so that the softmax does not settle on one layer for all voxels
    (appendix E.3, "Loss and Regularization"). 0 for a single layer.
    """
    if layer.shape[1] == 1:
        return layer.new_zeros(())
    # Clamped inside the logarithm only: the gradient at w = 0 stays finite.
    entropy = -(layer * layer.clamp_min(1e-12).log()).sum(dim=1)
    return -entropy.mean() / log(layer.shape[1])


def _select(space: Tensor, layer: Tensor, scale: Tensor) -> Selection:
    return Selection(space.tanh().view(len(space), -1, 2), layer.softmax(dim=1), scale.sigmoid()[:, 0])


def _mlp(inputs: int, outputs: int, generator: Generator) -> nn.Sequential:
    return nn.Sequential(
        Linear(inputs, HIDDEN, generator),
        nn.GELU(),
        Linear(HIDDEN, HIDDEN, generator),
        nn.GELU(),
        Linear(HIDDEN, outputs, generator, zero=True),
    )
