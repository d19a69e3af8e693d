"""Layers of unlike grids on one: a node is then the same part of the image in each of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from brainbench import Features

# Of a ViT-B/16 at 224 pixels, the paper's networks.
MEETING = (14, 14)


def common_grid(features: Features, side: int) -> tuple[int, int]:
    """(H, W) that the layers are read on. side: asked for; 0: the grid they share, or 14 x 14 if they share none."""
    if side:
        return side, side
    return features.grids[0] if len(set(features.grids)) == 1 else MEETING


def on_grid(features: Features, grid: tuple[int, int]) -> Features:
    """The same features with the local tokens of every layer on this grid: bilinear, with antialias when shrinking.

    A view: tokens are brought there as they are read. Global tokens, and features on this grid already, stay as they are.
    """
    return features if set(features.grids) == {grid} else OnGrid(features, grid)


@dataclass(frozen=True)
class OnGrid:
    """Features on one grid, see ``on_grid``."""

    source: Features
    grid: tuple[int, int]

    @property
    def key(self) -> str:
        """That of the stored tokens, and the grid."""
        return f"{self.source.key} on {self.grid[0]} x {self.grid[1]}"

    @property
    def layers(self) -> tuple[str, ...]:
        """L names."""
        return self.source.layers

    @property
    def channels(self) -> tuple[int, ...]:
        """C_l of each layer."""
        return self.source.channels

    @property
    def grids(self) -> tuple[tuple[int, int], ...]:
        """The one grid, L times."""
        return (self.grid,) * len(self.layers)

    def __len__(self) -> int:
        return len(self.source)

    def local_tokens(self, layer: int, rows: np.ndarray | slice = slice(None)) -> np.ndarray:
        """[n, C_l, H, W] in the store's dtype."""
        stored = self.source.local_tokens(layer, rows)
        if stored.shape[2:] == self.grid:
            return stored
        tokens = torch.tensor(stored).float()
        moved = functional.interpolate(tokens, self.grid, mode="bilinear", antialias=True)
        return np.asarray(moved.numpy().astype(stored.dtype))

    def global_tokens(self, layer: int, rows: np.ndarray | slice = slice(None)) -> np.ndarray:
        """[n, C_l] in the store's dtype."""
        return self.source.global_tokens(layer, rows)
