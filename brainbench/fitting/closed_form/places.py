"""Places: how much every voxel reads of each place of the grid and of the global token, and which voxels read the same ones."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from brainbench.fitting.readout.cells import locate
from brainbench.fitting.readout.selection import Selection


def place_shares(grid: tuple[int, int], selection: Selection) -> Tensor:
    """s, [V, H*W + 1] float64: the shares of the grid's places, row by row, and of the global token.

    The bilinear weights of a voxel's K places, averaged, times 1 - scale; then its scale. What lies outside the image holds
    nothing and has no share.
    """
    height, width = grid
    voxels, samples, _ = selection.space.shape
    scale = selection.scale.double()
    corner, share = locate(grid, selection.space.double().flatten(0, 1), scale.repeat_interleave(samples))
    table = share.new_zeros(voxels * samples, (height + 2) * (width + 2))
    for number, step in enumerate((0, 1, width + 2, width + 3)):
        table.scatter_add_(1, (corner + step)[:, None], share[:, [number]])
    inside = table.view(voxels, samples, height + 2, width + 2).mean(dim=1)[:, 1:-1, 1:-1]
    return torch.cat([inside.flatten(1), scale[:, None]], dim=1)


class Group(NamedTuple):
    """Voxels that read the same places. places: [q], ascending; voxels: [m], ascending."""

    places: Tensor
    voxels: Tensor


def groups(shares: Tensor, largest: int) -> Iterator[Group]:
    """All voxels, by the places they read, at most ``largest`` at a time; the same groups in the same order on every machine.

    shares: [V, P] on the CPU.
    """
    read = shares != 0
    # A voxel that reads nothing still has its constant: it takes part with one place of no share.
    read[~read.any(dim=1), 0] = True
    patterns, of = torch.unique(read, dim=0, return_inverse=True)
    order = torch.argsort(of, stable=True)
    start = 0
    for pattern, count in zip(patterns, torch.bincount(of, minlength=len(patterns)).tolist(), strict=True):
        places = pattern.nonzero()[:, 0]
        for voxels in torch.split(order[start : start + count], largest):
            yield Group(places, voxels)
        start += count
