"""The contraction for GPUs: readers of a cell padded to blocks of 64, all shapes known beforehand, no wait for the device.

The number of blocks is bounded by N / 64 plus one a cell, so that every kernel has the same shape at each step whatever the
voxels choose. B images, D channels, L layers, N readers.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from brainbench.fitting.readout.cells import Reading

BLOCK = 64
# Figures of the gathered tokens in one part: 1 GB of float32. More readers are done in several parts, computed again in
# backward.
_PART = 1 << 28


def block_read_out(local: Tensor, glob: Tensor, reading: Reading) -> Tensor:
    """y, [N, B]. local: [places with border, L, B, D]; glob: [L, B, D]. Differentiable in everything."""
    slot, block_corner = _blocks(reading.corner, len(local))
    per_block = 5 * glob.numel() + BLOCK * glob[0].numel()
    size = max(1, _PART // per_block)
    row = reading.row
    padded = [_padded(t, slot, len(block_corner)) for t in (reading.share, reading.layer, reading.channel)]
    if len(block_corner) <= size:
        return _part(local, glob, block_corner, row, *padded).flatten(0, 1)[slot]
    parts = [
        checkpoint(_part, local, glob, block_corner[a : a + size], row, *(t[a : a + size] for t in padded),
                   use_reentrant=False, preserve_rng_state=False)
        for a in range(0, len(block_corner), size)
    ]  # fmt: skip
    return torch.cat(parts).flatten(0, 1)[slot]


def _part(
    local: Tensor, glob: Tensor, corner: Tensor, row: int, share: Tensor, layer: Tensor, channel: Tensor
) -> Tensor:
    """[n] blocks of 64 readers -> y [n, 64, B]. share: [n, 64, 5]; layer: [n, 64, L]; channel: [n, 64, D]."""
    blocks, images, dim = len(corner), glob.shape[1], glob.shape[2]
    around = local[torch.stack([corner, corner + 1, corner + row, corner + row + 1], dim=1)].flatten(1, 2)
    tokens = torch.cat([around, glob.expand(blocks, -1, -1, -1)], dim=1)
    mixture = (share[..., None] * layer[..., None, :]).flatten(2)
    v = torch.bmm(mixture, tokens.flatten(2)).view(blocks, BLOCK, images, dim)
    return (v @ channel[..., None])[..., 0]


def _blocks(corner: Tensor, corners: int) -> tuple[Tensor, Tensor]:
    """(slot of each reader [N], corner of each block [n]), n fixed by N and the number of corners alone.

    Readers of one cell fill blocks of their own, one after another; what is left over in a block stays empty.
    """
    readers = len(corner)
    order = torch.argsort(corner, stable=True)
    counts = torch.zeros(corners, dtype=torch.long, device=corner.device).index_add_(0, corner, torch.ones_like(corner))
    blocks = (counts + BLOCK - 1) // BLOCK
    first_block = blocks.cumsum(0) - blocks
    first_reader = counts.cumsum(0) - counts
    rank = torch.arange(readers, device=corner.device) - first_reader[corner[order]]
    slot = torch.empty_like(order).scatter_(0, order, first_block[corner[order]] * BLOCK + rank)
    total = readers // BLOCK + min(corners, readers)
    owner = torch.searchsorted(blocks.cumsum(0), torch.arange(total, device=corner.device), right=True)
    # Blocks behind the last one stay empty; they may stand anywhere.
    return slot, torch.where(owner < corners, owner, 0)


def _padded(rows: Tensor, slot: Tensor, blocks: int) -> Tensor:
    """[N, c] -> [blocks, 64, c], zero where no reader is."""
    empty = rows.new_zeros(blocks * BLOCK, rows.shape[1])
    return empty.index_copy(0, slot, rows).view(blocks, BLOCK, -1)
