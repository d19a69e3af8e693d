"""The control ``pixels``: what a linear read-out of simple image statistics explains, without any network.

Layers, each on a 16 x 16 grid over a 64 x 64 px image (global token = average over space):

    grey          1 channel   luminance (0.299 R + 0.587 G + 0.114 B)
    colour        3 channels  R, G, B
    gabor3 .. 24  8 channels  Gabor energy at wavelengths 3, 6, 12 and 24 px, orientations k * 180/8 degrees
    contrast      3 channels  standard deviation of luminance under Gaussian windows of sigma 1.5, 3 and 6 px

A Gabor filter is a sinusoid under a round Gaussian with sigma = wavelength / 2, cut at 2.5 sigma; energy is
sqrt(even^2 + odd^2) of the phase quadrature. The even filter has its mean taken out, and a grating of the filter's own
wavelength and orientation gives its amplitude. Outside the image its mirror image is seen.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from brainbench import IMAGENET_MEAN, IMAGENET_STD, Backbone, Tokens, Weights, WeightsError, square

SIZE, GRID = 64, 16
WAVELENGTHS = (3, 6, 12, 24)
ORIENTATIONS = 8
CONTRAST_SIGMAS = (1.5, 3.0, 6.0)
CUT = 2.5
LUMINANCE = (0.299, 0.587, 0.114)
PLAIN_MEAN, PLAIN_STD = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)


def load(*, weights: Weights, settings: Mapping[str, Any]) -> Backbone:
    """The control; ``preproc=native`` leaves the values in 0..1. Raises WeightsError for a checkpoint: it has no weights."""
    if weights.kind == "file":
        raise WeightsError(f"pixels has no weights, {weights.path} was given; leave --weights pixels=... out")
    mean, std = (IMAGENET_MEAN, IMAGENET_STD) if settings["preproc"] == "paper" else (PLAIN_MEAN, PLAIN_STD)
    return Pixels(mean, std)


class Pixels:
    """The Backbone without a network."""

    layers: Sequence[str] = ("grey", "colour", *(f"gabor{wavelength}" for wavelength in WAVELENGTHS), "contrast")
    module: nn.Module | None = None

    def __init__(self, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        self._preprocess = partial(square, size=SIZE, mean=mean, std=std)
        # Energy varies over about a wavelength: the coarse filters need not be applied at every pixel.
        strides = [min(SIZE // GRID, wavelength // WAVELENGTHS[0]) for wavelength in WAVELENGTHS]
        self._gabors = [(gabors(w, stride), stride) for w, stride in zip(WAVELENGTHS, strides, strict=True)]
        self._windows = [gaussian(_offsets(sigma, 1), sigma)[None, None] for sigma in CONTRAST_SIGMAS]

    def preprocess(self, image: Image.Image) -> Tensor:
        """One RGB image -> [3, SIZE, SIZE]."""
        return self._preprocess(image)

    def tokens(self, batch: Tensor) -> Tokens:
        """[B, 3, SIZE, SIZE] -> per layer [B, 1 | 3 | 8, GRID, GRID] and its average over space."""
        grey = (batch * batch.new_tensor(LUMINANCE).view(1, 3, 1, 1)).sum(1, keepdim=True)
        # Neither energy nor contrast depends on the average; without it float32 keeps more digits.
        centred = grey - grey.mean(dim=(2, 3), keepdim=True)
        energies = [energy(centred, filters, stride) for filters, stride in self._gabors]
        contrasts = torch.cat([contrast(centred, window) for window in self._windows], dim=1)
        return Tokens.from_local([functional.adaptive_avg_pool2d(m, GRID) for m in (grey, batch, *energies, contrasts)])


def gabors(wavelength: float, stride: int) -> Tensor:
    """Even, then odd filters of all orientations: [2 * ORIENTATIONS, 1, K, K]; orientation 0 varies along x, 90 along y.

    Centred on the middle of a cell of ``stride`` x ``stride`` pixels.
    """
    sigma = wavelength / 2
    offsets = _offsets(sigma, stride)
    envelope = gaussian(offsets, sigma)
    angles = torch.arange(ORIENTATIONS) * math.pi / ORIENTATIONS
    along = torch.cos(angles)[:, None, None] * offsets + torch.sin(angles)[:, None, None] * offsets[:, None]
    phase = 2 * math.pi / wavelength * along
    carrier = torch.cos(phase)
    even = envelope * (carrier - (envelope * carrier).sum(dim=(1, 2), keepdim=True))
    return 2 * torch.cat([even, envelope * torch.sin(phase)])[:, None]


def gaussian(offsets: Tensor, sigma: float) -> Tensor:
    """A round Gaussian window [K, K] that sums to 1. offsets: [K] pixels from its centre."""
    profile = torch.exp(-(offsets**2) / (2 * sigma**2))
    window = profile[:, None] * profile
    return window / window.sum()


def energy(grey: Tensor, filters: Tensor, stride: int) -> Tensor:
    """[B, 1, H, W] -> amplitude at each orientation [B, ORIENTATIONS, H / stride, W / stride]."""
    even, odd = _convolve(grey, filters, stride).chunk(2, dim=1)
    return torch.sqrt(even**2 + odd**2)


def contrast(grey: Tensor, window: Tensor) -> Tensor:
    """[B, 1, H, W] -> standard deviation of the pixels under the window [B, 1, H, W]."""
    mean, mean_square = _convolve(grey, window, 1), _convolve(grey**2, window, 1)
    return (mean_square - mean**2).clamp_min(0).sqrt()


def _offsets(sigma: float, stride: int) -> Tensor:
    radius = math.ceil(CUT * sigma)
    return torch.arange(-radius, radius + stride) - (stride - 1) / 2


def _convolve(grey: Tensor, filters: Tensor, stride: int) -> Tensor:
    reach = (filters.shape[-1] - stride) // 2
    return functional.conv2d(functional.pad(grey, [reach] * 4, mode="reflect"), filters.to(grey), stride=stride)
