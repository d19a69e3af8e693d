"""From the tokens of images to one number per image and unit: the mean, or the largest, of its code over places.

Shapes: n images, P places, C channels, M units.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from brainbench import Features
from brainbench_sae.autoencoder import Autoencoder
from brainbench_sae.tokens import Rows, chunks, tokens_of

Floats = NDArray[np.float32]
Pool = Literal["mean", "max"]
POOLS: tuple[Pool, ...] = ("mean", "max")
# Codes in memory at a time: 64 MB of float32.
_FIGURES = 1 << 24
# One of so many images is reconstructed, to judge an autoencoder.
_JUDGED = 8


class Quality:
    """How well an autoencoder describes tokens, which come piece by piece."""

    def __init__(self, autoencoder: Autoencoder) -> None:
        self.autoencoder = autoencoder
        self._tokens, self._active = 0, 0
        self._error, self._square = 0.0, 0.0
        self._total = torch.zeros(autoencoder.channels, dtype=torch.float64)

    @torch.no_grad()
    def add(self, tokens: Tensor) -> None:
        """Add tokens [n, C]."""
        codes = self.autoencoder.codes(tokens)
        self._tokens += len(tokens)
        self._active += int((codes != 0).sum())
        self._error += float((self.autoencoder.decode(codes) - tokens).double().square().sum())
        self._square += float(tokens.double().square().sum())
        self._total += tokens.double().sum(dim=0).cpu()

    @property
    def unexplained(self) -> float:
        """Variance of the tokens that is not reconstructed, as a share."""
        variance = self._square - float(self._total.square().sum()) / self._tokens
        return self._error / variance if variance > 0 else 0.0

    @property
    def active(self) -> float:
        """Codes other than 0 in a token, L0."""
        return self._active / self._tokens


@torch.no_grad()
def pooled(autoencoder: Autoencoder, tokens: Tensor, pool: Pool) -> Tensor:
    """Return the series of these images: [n, P, C] -> [n, M]."""
    images, places, channels = tokens.shape
    codes = autoencoder.codes(tokens.float().reshape(-1, channels)).reshape(images, places, -1)
    return codes.mean(dim=1) if pool == "mean" else codes.amax(dim=1)


def series(
    autoencoder: Autoencoder,
    features: Features,
    layer: int,
    rows: Rows,
    pool: Pool,
    device: str = "cpu",
    quality: Quality | None = None,
) -> Floats:
    """Return the series [n, M] of the images with these row numbers. quality: is shown the tokens of every eighth image."""
    model = autoencoder.to(device)
    result = np.empty((len(rows), model.units), np.float32)
    for place, some in chunks(rows):
        tokens = tokens_of(features, layer, some)
        step = max(1, _FIGURES // (tokens.shape[1] * model.units))
        parts = [pooled(model, part.to(device), pool).cpu() for part in torch.split(tokens, step)]
        result[place] = torch.cat(parts).numpy()
        if quality is not None:
            for image in tokens[::_JUDGED]:
                quality.add(image.to(device).float())
    return result
