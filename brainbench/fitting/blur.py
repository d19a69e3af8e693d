"""Local tokens out of focus, so that a voxel that reads one place is drawn to what lies far from it."""

from __future__ import annotations

import torch
from torch import Tensor


def blurred(tokens: Tensor, grid: tuple[int, int], sd: float) -> Tensor:
    """Aligned tokens [L, B, H*W + 1, D] with a Gaussian of ``sd`` places over the grid; the global token stays as it is.

    A place takes the weighted mean of the places there are: at the edge of the image the Gaussian is cut and scaled up.
    """
    if sd <= 0 or grid == (1, 1):
        return tokens
    rows, columns = (_gaussian(side, sd, tokens) for side in grid)
    layers, images, _, dim = tokens.shape
    local = tokens[:, :, :-1].reshape(layers, images, *grid, dim)
    local = torch.einsum("gh,vw,lbhwd->lbgvd", rows, columns, local).flatten(2, 3)
    return torch.cat([local, tokens[:, :, -1:]], dim=2)


def _gaussian(side: int, sd: float, like: Tensor) -> Tensor:
    """[side, side], rows sum to 1."""
    place = torch.arange(side, dtype=like.dtype, device=like.device)
    weight = (-0.5 * ((place[:, None] - place) / sd).square()).exp()
    return weight / weight.sum(dim=1, keepdim=True)
