"""Selectors: from a voxel to where, in which layers and at which scale it reads (section 3.1, Listing 1)."""

from __future__ import annotations

from collections.abc import Collection
from math import log, pi

import torch
from torch import Generator, Tensor, nn

from brainbench.fitting.mlp import Mlp
from brainbench.fitting.readout import Selection

FREQUENCIES = 32
SPAN = 100.0
FREE_GAIN = 20.0
SPREAD = 0.25
# Of the largest singular value: float32 does not resolve what is smaller.
_NEGLIGIBLE = 1e-7
SELECTORS = ("space", "layer", "scale")


def positional_encoding(coordinates: Tensor) -> Tensor:
    """Sines and cosines of 3-D coordinates: [V, 3] in any unit -> [V, 192].

    The longest axis is scaled to span 100 and the middle of the box becomes the origin; per axis 32 frequencies,
    log-spaced from 1 down to 1/1000.
    """
    low, high = coordinates.amin(dim=0), coordinates.amax(dim=0)
    span = (high - low).max()
    # In float64: in float32 an angle of 50 is off by 4e-6.
    scaled = (coordinates.double() - (low.double() + high) / 2) * (SPAN / span if span > 0 else 0.0)
    angles = scaled[:, :, None] * torch.logspace(0, -3, FREQUENCIES, dtype=torch.float64, device=coordinates.device)
    return torch.cat([angles.sin(), angles.cos()], dim=2).flatten(1).to(coordinates.dtype)


def factored(encoding: Tensor) -> tuple[Tensor, Tensor]:
    """An encoding [V, n] as a product of two thin matrices, [V, r] and [r, n], r being its numerical rank.

    Log-spaced frequencies tell much the same: of the 192 columns of a positional encoding about 70 are independent in float32.
    """
    left, strength, right = torch.linalg.svd(encoding.double(), full_matrices=False)
    rank = int((strength > _NEGLIGIBLE * strength[0]).sum())
    return (left[:, :rank] * strength[:rank]).to(encoding.dtype), right[:rank].to(encoding.dtype)


class TopologicalSelectors(nn.Module):
    """Selectors as smooth functions of the voxel's coordinates: MLPs 192-128-128-{2 K, L, 1} on its positional encoding.

    coordinates: [V, 3]; samples: K, places that every voxel reads (Table 16, + multiple sample); chosen: which selectors there
    are. Last layers start at zero: every voxel starts at the image's centre, with all layers alike, half local and half
    global; and there it stays along an axis that has no selector.
    """

    coordinates: Tensor
    codes: Tensor
    basis: Tensor

    def __init__(
        self,
        coordinates: Tensor,
        layers: int,
        generator: Generator,
        samples: int = 1,
        chosen: Collection[str] = SELECTORS,
    ) -> None:
        super().__init__()
        self.register_buffer("coordinates", coordinates)
        codes, basis = factored(positional_encoding(coordinates.double()))
        self.register_buffer("codes", codes.to(coordinates.dtype), persistent=False)
        self.register_buffer("basis", basis.to(coordinates.dtype), persistent=False)
        starts = _starts(layers, samples)
        self.widths = {name: len(start) for name, start in starts.items()}
        for name, start in starts.items():
            if name in chosen:
                self.add_module(name, Mlp(basis.shape[1], start, generator))

    def forward(self) -> Selection:
        """The selection of all voxels."""
        modules = dict(self.named_children())
        zero = self.codes.new_zeros
        return _select(
            *(
                modules[n](self.codes, self.basis) if n in modules else zero(len(self.codes), k)
                for n, k in self.widths.items()
            )
        )


class FreeSelectors(nn.Module):
    """Selectors of the ablation without topology (Table 16): free figures for every voxel, nothing shared with its neighbours.

    Multiplied by ``FREE_GAIN``: AdamW moves every figure by about the learning rate a step, however strong its gradient, and the
    MLPs' outputs, sums over many weights, move many times faster. Arguments as in ``TopologicalSelectors``.
    """

    def __init__(self, voxels: int, layers: int, samples: int = 1, chosen: Collection[str] = SELECTORS) -> None:
        super().__init__()
        starts = _starts(layers, samples)
        self.voxels, self.widths = voxels, {name: len(start) for name, start in starts.items()}
        for name, start in starts.items():
            if name in chosen:
                self.register_parameter(name, nn.Parameter((start / FREE_GAIN).repeat(voxels, 1)))

    def forward(self) -> Selection:
        """The selection of all voxels."""
        figures = dict(self.named_parameters())
        zero = next(iter(figures.values())).new_zeros
        return _select(
            *(figures[n] * FREE_GAIN if n in figures else zero(self.voxels, k) for n, k in self.widths.items())
        )


def _starts(layers: int, samples: int) -> dict[str, Tensor]:
    """What every selector gives before it has learned anything, before its activation function."""
    return {"space": apart(samples).flatten(), "layer": torch.zeros(layers), "scale": torch.zeros(1)}


def apart(samples: int) -> Tensor:
    """Where a voxel's K places start, [K, 2] before tanh: one at the centre, several on a circle around it.

    All at the centre they would get the same gradient at every step and stay one place for ever.
    """
    angle = torch.arange(samples) * (2 * pi / samples)
    return torch.stack([angle.cos(), angle.sin()], dim=1) * (SPREAD if samples > 1 else 0.0)


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
