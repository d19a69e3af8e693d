"""What a voxel reads, and its responses or their loss by the contraction that suits the device.

B images, V voxels, K places a voxel reads, L layers, H x W the grid, P = H W + 1 places of an image, D aligned channels.
"""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from brainbench.fitting.losses import smooth_l1
from brainbench.fitting.readout.cells import Reading, bordered, locate
from brainbench.fitting.readout.cpu import grouped_loss, grouped_read_out
from brainbench.fitting.readout.cuda import block_read_out


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

    tokens: [L, B, H*W + 1, D], aligned; the H*W local tokens row by row, the global token last; channel: r, [V, D]. interp
    is bilinear, -1 and 1 being the image's edges (``align_corners=False``), and zero outside.
    Returns [B, V]. Differentiable in everything. Nothing of size B x V x D x L is made (Listing 1 makes several), nor of
    size B x V x D.
    """
    samples = selection.space.shape[1]
    local, glob = bordered(tokens, grid)
    reading = _reading(grid, selection, channel)
    contract = block_read_out if tokens.is_cuda else grouped_read_out
    return contract(local, glob, reading).view(-1, samples, tokens.shape[1]).mean(dim=1).t()


def read_out_loss(
    tokens: Tensor, grid: tuple[int, int], selection: Selection, channel: Tensor, constant: Tensor, observed: Tensor
) -> Tensor:
    """The smooth L1 loss of ``read_out(...) + constant`` against ``observed`` [B, V], a scalar; constant: [V].

    Differentiable in all but ``observed``.
    """
    if tokens.is_cuda or selection.space.shape[1] > 1:
        return smooth_l1(read_out(tokens, grid, selection, channel) + constant, observed)
    local, glob = bordered(tokens, grid)
    return grouped_loss(local, glob, _reading(grid, selection, channel), constant, observed.t())


def _reading(grid: tuple[int, int], selection: Selection, channel: Tensor) -> Reading:
    """Every place of every voxel as a reader of its own."""
    samples = selection.space.shape[1]
    scale, layer = selection.scale, selection.layer
    if samples > 1:
        scale, layer, channel = (t.repeat_interleave(samples, dim=0) for t in (scale, layer, channel))
    corner, share = locate(grid, selection.space.flatten(0, 1), scale)
    return Reading(corner, grid[1] + 2, share, layer, channel)
