"""Cells: the squares between neighbouring places of the grid. Voxels that read in one cell read the same four places."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor


class Reading(NamedTuple):
    """N readers, one for every place of every voxel.

    corner: [N], the top left corner of the cell that the place lies in, a row of the bordered table; row: places in a row of
    that table, so that the other corners are at 1, ``row`` and ``row + 1`` from the first; share: [N, 5], how much is read
    of the corners (top left, top right, bottom left, bottom right) and of the global token; layer: [N, L]; channel: [N, D].
    """

    corner: Tensor
    row: int
    share: Tensor
    layer: Tensor
    channel: Tensor


def locate(grid: tuple[int, int], space: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
    """(corner [N], share [N, 5]) of the places ``space`` [N, 2] as (x, y) and the ``scale`` [N]; see Reading.

    grid: (H, W); -1 and 1 are the image's edges (``align_corners=False``). There are (H + 1) (W + 1) cells: around the image
    lies a border of places that hold nothing, and whatever is farther out reads the border alone.
    """
    height, width = grid
    (left, x), (top, y) = (_between(space[:, axis], side) for axis, side in enumerate((width, height)))
    corners = torch.stack([(1 - y) * (1 - x), (1 - y) * x, y * (1 - x), y * x], dim=1)
    share = torch.cat([corners * (1 - scale[:, None]), scale[:, None]], dim=1)
    return (top + 1) * (width + 2) + left + 1, share


def _between(position: Tensor, side: int) -> tuple[Tensor, Tensor]:
    """(the place before, from -1 to side - 1; how far towards the next, 0 to 1)."""
    place = ((position + 1) * side - 1) / 2
    # A voxel of a fit that diverged stands at no place at all: its share, and so the loss, is then NaN, but no index may be.
    before = place.detach().floor().nan_to_num(-1).clamp(-1, side - 1)
    return before.long(), (place - before).clamp(0, 1)


def bordered(tokens: Tensor, grid: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """[L, B, H*W + 1, D] -> local tokens [(H + 2) (W + 2), L, B, D] with the border, and global tokens [L, B, D]."""
    layers, images, _, dim = tokens.shape
    height, width = grid
    local = tokens[:, :, :-1].permute(2, 0, 1, 3).reshape(height, width, layers, images, dim)
    return F.pad(local, (0, 0, 0, 0, 0, 0, 1, 1, 1, 1)).flatten(0, 1), tokens[:, :, -1]
