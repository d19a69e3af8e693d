"""The features of a joint backbone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from brainbench.types import Features

if TYPE_CHECKING:
    import numpy as np


class JointFeatures:
    """``brainbench.Features`` with the layers of several backbones, read from the features of each.

    members: name of a backbone -> its features, all of the same stimuli; a layer is named ``<name>:<its layer>``. Layers
    keep their own grid and dtype.
    """

    def __init__(self, key: str, members: Mapping[str, Features]) -> None:
        self.key = key
        found = [(name, one, layer) for name, one in members.items() for layer in range(len(one.layers))]
        self._places = [(one, layer) for _, one, layer in found]
        self.layers = tuple(f"{name}:{one.layers[layer]}" for name, one, layer in found)
        self.channels = tuple(one.channels[layer] for one, layer in self._places)
        self.grids = tuple(one.grids[layer] for one, layer in self._places)

    def __len__(self) -> int:
        return len(self._places[0][0])

    def local_tokens(self, layer: int, rows: np.ndarray | slice = slice(None)) -> np.ndarray:
        """Return [n, C_l, H_l, W_l] of these rows."""
        one, own = self._places[layer]
        return one.local_tokens(own, rows)

    def global_tokens(self, layer: int, rows: np.ndarray | slice = slice(None)) -> np.ndarray:
        """Return [n, C_l] of these rows."""
        one, own = self._places[layer]
        return one.global_tokens(own, rows)
