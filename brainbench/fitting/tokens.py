"""Tokens as encoders read them: layer by layer, standardised, local and global side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from brainbench.errors import DataError
from brainbench.fitting.scaling import Standardisation
from brainbench.types import Features

Source = Literal["local", "global"]
_BLOCK = 512


@dataclass(frozen=True)
class LayerReader:
    """Reads one layer's standardised tokens.

    scales: one a source, in the order they are read. Local and global tokens are scaled by statistics of their own: a class
    token, or an average over space, has another mean and norm than a patch has, and the scale selector would first have to
    undo that. They still share the channel align.
    """

    layer: int
    scales: dict[Source, Standardisation]

    def read(self, features: Features, rows: np.ndarray) -> Tensor:
        """[n, P, C_l] in the store's dtype; the places P are the grid row by row, then the global token."""
        return self.scaled({source: raw_tokens(features, self.layer, rows, source) for source in self.scales})

    def scaled(self, raw: dict[Source, Tensor]) -> Tensor:
        """Raw tokens of every source, [n, p, C_l] each -> [n, P, C_l], block by block so that little is ever float32."""
        first = next(iter(raw.values()))
        places = sum(tokens.shape[1] for tokens in raw.values())
        result = torch.empty(len(first), places, first.shape[2], dtype=first.dtype)
        for start in range(0, len(first), _BLOCK):
            block = slice(start, start + _BLOCK)
            result[block] = torch.cat([scale.apply(raw[source][block]) for source, scale in self.scales.items()], dim=1)
        return result


@dataclass(frozen=True)
class TokenReader:
    """Reads the standardised tokens of every layer of one backbone."""

    layers: tuple[LayerReader, ...]

    def read(self, features: Features, rows: np.ndarray) -> list[Tensor]:
        """Per layer [n, P, C_l] float32: what a model takes."""
        return [layer.read(features, rows).float() for layer in self.layers]

    def parameters(self) -> dict[str, Tensor]:
        """The scales by name, e.g. ``tokens.0.local.mean``."""
        return {
            f"tokens.{reader.layer}.{source}.{part}": getattr(scale, part)
            for reader in self.layers
            for source, scale in reader.scales.items()
            for part in ("mean", "sd")
        }


def load_tokens(
    features: Features, rows: np.ndarray, train: np.ndarray, sources: Sequence[Source]
) -> tuple[TokenReader, tuple[Tensor, ...]]:
    """Read every layer once: a reader scaled on the train stimuli, and the standardised tokens of ``rows``.

    rows: S row numbers of ``features``; train: bool [S]; sources: what to read. Tokens: per layer [S, P, C_l] in the store's
    dtype. Raises DataError when a layer holds figures that are not finite.
    """
    readers, tokens = [], []
    for layer in range(len(features.layers)):
        raw = {source: raw_tokens(features, layer, rows, source) for source in sources}
        reader = LayerReader(layer, {s: Standardisation.of(r[torch.from_numpy(train)]) for s, r in raw.items()})
        _check(features.layers[layer], reader)
        readers.append(reader)
        tokens.append(reader.scaled(raw))
    return TokenReader(tuple(readers)), tuple(tokens)


def raw_tokens(features: Features, layer: int, rows: np.ndarray, source: Source) -> Tensor:
    """Tokens of one layer as they are stored, [n, H*W, C_l] (local) or [n, 1, C_l] (global)."""
    if source == "global":
        return torch.tensor(features.global_tokens(layer, rows))[:, None]
    return torch.tensor(features.local_tokens(layer, rows)).flatten(2).transpose(1, 2)


def one_grid(features: Features) -> tuple[int, int]:
    """The (H, W) that all layers share; raises DataError when they do not."""
    grid = features.grids[0]
    for layer, other in zip(features.layers, features.grids, strict=True):
        if other != grid:
            raise DataError(
                f"layer {layer!r} has a {other[0]} x {other[1]} grid, layer {features.layers[0]!r} {grid[0]} x {grid[1]}: "
                "this encoder needs one grid for all layers; extract the tokens with grid 8"
            )
    return grid


def _check(layer: str, reader: LayerReader) -> None:
    for source, scale in reader.scales.items():
        if not bool(torch.isfinite(scale.mean).all() and torch.isfinite(scale.sd).all()):
            raise DataError(
                f"layer {layer!r}: the {source} tokens of the train images hold NaN or infinity; "
                "use wider numbers (--set BACKBONE.dtype=float32), or leave the layer out"
            )
