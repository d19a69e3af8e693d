"""The read-out: every voxel's own mixture of a table of tokens, in one weighted gather.

B images, V voxels, L layers, H x W the grid, D aligned channels.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from brainbench.fitting.losses import smooth_l1


class Selection(NamedTuple):
    """What every voxel reads.

    space: [V, K, 2], K places as (x, y) in [-1, 1], y downwards, of which it reads the mean; layer: [V, L], rows sum to 1;
    scale: [V], 0 local .. 1 global.
    """

    space: Tensor
    layer: Tensor
    scale: Tensor


def read_out(tokens: Tensor, grid: tuple[int, int], selection: Selection, channel: Tensor) -> Tensor:
    """Equation 1 of the paper without the voxel's constant, and with a plain sum over the channels.

        y_bi = sum_d r_id sum_l w_il [(1 - a_i) mean_k interp(u_ik; T_lb) + a_i g_lb]

    tokens: [L, H*W + 1, B, D], aligned; the H*W local tokens row by row, the global token last; channel: r, [V, D].
    Returns [B, V]. Differentiable in everything. All V x L x (4K + 1) weights meet the table in one ``embedding_bag``: nothing of
    size B x V x D x L is ever made (Listing 1 makes several).
    """
    layers, places, images, dim = tokens.shape
    place, share = _places(grid, selection.space, selection.scale)
    first = torch.arange(0, layers * places, places, device=place.device)
    # int32: embedding_bag sorts the rows in its backward pass.
    rows = (first[:, None] + place[:, None, :]).flatten(1).int()
    weights = (selection.layer[:, :, None] * share[:, None, :]).flatten(1)
    table = tokens.reshape(layers * places, images * dim)
    read = F.embedding_bag(rows, table, mode="sum", per_sample_weights=weights)
    return torch.bmm(read.view(-1, images, dim), channel[:, :, None])[:, :, 0].t()


def read_out_loss(
    tokens: Tensor, grid: tuple[int, int], selection: Selection, channel: Tensor, constant: Tensor, observed: Tensor
) -> Tensor:
    """The smooth L1 loss of ``read_out(...) + constant`` against ``observed`` [B, V], a scalar; constant: [V]."""
    return smooth_l1(read_out(tokens, grid, selection, channel) + constant, observed)


def _places(grid: tuple[int, int], space: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
    """(place, share), both [V, 4K + 1]: the corners around every place and the global token, and how much of each is read."""
    voxels, samples, _ = space.shape
    corner, weight = (t.view(voxels, 4 * samples) for t in bilinear_corners(grid, space.flatten(0, 1)))
    glob = torch.full_like(corner[:, :1], grid[0] * grid[1])
    share = torch.cat([weight * ((1 - scale[:, None]) / samples), scale[:, None]], dim=1)
    return torch.cat([corner, glob], dim=1), share


def bilinear_corners(grid: tuple[int, int], space: Tensor) -> tuple[Tensor, Tensor]:
    """The four grid cells around each point and their bilinear weights, zero outside the image.

    grid: (H, W); space: [V, 2] as (x, y), where -1 and 1 are the image's edges (``align_corners=False``). Returns (cell,
    weight), both [V, 4]; cell = row * W + column. The weights are differentiable in ``space``.
    """
    height, width = grid
    x = ((space[:, 0] + 1) * width - 1) / 2
    y = ((space[:, 1] + 1) * height - 1) / 2
    left, top = x.detach().floor(), y.detach().floor()
    column = torch.stack([left, left + 1, left, left + 1], dim=1)
    row = torch.stack([top, top, top + 1, top + 1], dim=1)
    weight = (1 - (x[:, None] - column).abs()) * (1 - (y[:, None] - row).abs())
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    cell = row.clamp(0, height - 1) * width + column.clamp(0, width - 1)
    return cell.long(), weight * inside
