"""Tokens as encoders read them: layer by layer, standardised, local and global side by side."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from brainbench.errors import DataError
from brainbench.fitting.standardisation import Moments, Standardisation
from brainbench.types import Features

Source = Literal["local", "global"]
_SOURCES: tuple[Source, ...] = ("local", "global")
# Stimuli read at once: as many as the feature store keeps in one file.
CHUNK = 64


@dataclass(frozen=True)
class LayerReader:
    """Reads one layer's standardised tokens.

    scales: one a source, in the order they are read. Local and global tokens are scaled by statistics of their own: a class
    token, or an average over space, has another mean and norm than a patch has, and the scale selector would first have to
    undo that. They still share the channel align.
    """

    layer: int
    name: str
    scales: dict[Source, Standardisation]

    def of(self, *sources: Source) -> LayerReader:
        """The same for these sources; one that it has no scale for is scaled as the one that it reads."""
        known = next(iter(self.scales.values()))
        return replace(self, scales={source: self.scales.get(source, known) for source in sources})

    def read(self, features: Features, stimuli: np.ndarray) -> Tensor:
        """[n, P, C_l] in the store's dtype; the places P are the grid row by row, then the global token."""
        raw = torch.cat([raw_tokens(features, self.layer, stimuli, source) for source in self.scales], dim=1)
        return self.scaled(raw, stimuli)

    def scaled(self, raw: Tensor, stimuli: np.ndarray) -> Tensor:
        """Stored tokens [n, P, C_l] -> the same, standardised; raises DataError when one is more than its dtype holds."""
        places = [1 if source == "global" else raw.shape[1] - len(self.scales) + 1 for source in self.scales]
        parts = zip(self.scales.values(), torch.split(raw, places, dim=1), strict=True)
        result = torch.cat([scale.apply(part) for scale, part in parts], dim=1)
        largest = result.abs().amax(dim=(1, 2))
        bad = ~(largest <= torch.finfo(raw.dtype).max)  # also where it is NaN
        if bad.any():
            image = int(stimuli[int(bad.nonzero()[0])])
            raise DataError(
                f"layer {self.name!r}: the tokens of image {image} hold NaN or infinity, or lie too far from those of the train "
                "images for their type of numbers; use wider numbers (--set BACKBONE.dtype=float32), or leave the layer out"
            )
        return result.to(raw.dtype)


@dataclass(frozen=True)
class TokenReader:
    """Reads the standardised tokens of every layer of one backbone."""

    layers: tuple[LayerReader, ...]

    def read(self, features: Features, stimuli: np.ndarray) -> list[Tensor]:
        """Per layer [n, P, C_l] float32, on the CPU: what a model takes. stimuli: row numbers of ``features``."""
        return [layer.read(features, stimuli).float() for layer in self.layers]

    def parameters(self) -> dict[str, Tensor]:
        """The scales by name, e.g. ``tokens.0.local.mean``."""
        return {
            f"tokens.{reader.layer}.{source}.{part}": getattr(scale, part)
            for reader in self.layers
            for source, scale in reader.scales.items()
            for part in ("mean", "sd")
        }

    @classmethod
    def restored(cls, layers: Sequence[str], parameters: Mapping[str, Tensor]) -> TokenReader:
        """The reader of the layers with these names whose ``parameters()`` are among those given."""
        sources = [source for source in _SOURCES if f"tokens.0.{source}.mean" in parameters]

        def layer(number: int, name: str) -> LayerReader:
            kept = {
                source: [parameters[f"tokens.{number}.{source}.{part}"] for part in ("mean", "sd")]
                for source in sources
            }
            return LayerReader(number, name, {source: Standardisation(*scale) for source, scale in kept.items()})

        return cls(tuple(layer(number, name) for number, name in enumerate(layers)))


@dataclass(frozen=True)
class HeldTokens:
    """Standardised tokens of some stimuli, in memory.

    stimuli: [S] row numbers of the features, ascending; layers: per layer [S, P, C_l] in the store's dtype.
    """

    stimuli: np.ndarray
    layers: tuple[Tensor, ...]

    def has(self, stimuli: np.ndarray) -> bool:
        """Whether all of these are held."""
        return bool(np.isin(stimuli, self.stimuli).all())

    def of(self, stimuli: np.ndarray, device: str) -> list[Tensor]:
        """Tokens of some of the stimuli as a model takes them: per layer [n, P, C_l] float32 on ``device``."""
        return [self.layer(number, stimuli, device) for number in range(len(self.layers))]

    def layer(self, number: int, stimuli: np.ndarray, device: str) -> Tensor:
        """``of`` one layer, by its number."""
        held, places = self.layers[number], torch.from_numpy(np.searchsorted(self.stimuli, stimuli))
        return held[places.to(held.device)].to(device).float()


def survey(
    features: Features, sources: Sequence[Source], train: np.ndarray, kept: np.ndarray, device: str
) -> tuple[TokenReader, HeldTokens]:
    """Read every layer once, chunk by chunk: a reader scaled on the stimuli ``train``, and the tokens of ``kept`` on ``device``.

    train, kept: row numbers of ``features``, ascending. Raises DataError when tokens are not finite.
    """
    readers, layers = [], []
    for layer in range(len(features.layers)):
        scales, held = _survey_layer(features, layer, sources, train, kept, device)
        reader = LayerReader(layer, features.layers[layer], scales)
        for start in range(0, len(kept), CHUNK):
            block = slice(start, start + CHUNK)
            held[block] = reader.scaled(held[block], kept[block])
        readers.append(reader)
        layers.append(held)
    return TokenReader(tuple(readers)), HeldTokens(kept, tuple(layers))


def hold(
    features: Features, reader: TokenReader, stimuli: np.ndarray, unwanted: Callable[[], bool]
) -> HeldTokens | None:
    """Read the tokens of ``stimuli`` [S], ascending, into memory, chunk by chunk; None if they are ``unwanted`` meanwhile."""
    layers: list[Tensor] = []
    for number, layer in enumerate(reader.layers):
        for rows in chunks(stimuli):
            if unwanted():
                return None
            part = layer.read(features, rows)
            if len(layers) == number:
                layers.append(torch.empty(len(stimuli), *part.shape[1:], dtype=part.dtype))
            layers[number][np.searchsorted(stimuli, rows)] = part
    return HeldTokens(stimuli, tuple(layers))


def chunks(stimuli: np.ndarray) -> list[np.ndarray]:
    """Ascending row numbers, in pieces that lie in one chunk of the store each."""
    return np.split(stimuli, np.flatnonzero(np.diff(stimuli // CHUNK)) + 1)


def raw_tokens(features: Features, layer: int, stimuli: np.ndarray, source: Source) -> Tensor:
    """Tokens of one layer as they are stored, [n, H*W, C_l] (local) or [n, 1, C_l] (global)."""
    if source == "global":
        return torch.tensor(features.global_tokens(layer, stimuli))[:, None]
    return torch.tensor(features.local_tokens(layer, stimuli)).flatten(2).transpose(1, 2)


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


def stimulus_bytes(features: Features, sources: Sequence[Source], stimulus: int) -> int:
    """Bytes that the tokens of one stimulus take in memory."""
    places = [(h * w if "local" in sources else 0) + ("global" in sources) for h, w in features.grids]
    # Of several backbones as one, each has a dtype of its own.
    sizes = [features.global_tokens(layer, np.array([stimulus])).itemsize for layer in range(len(features.layers))]
    return sum(p * c * size for p, c, size in zip(places, features.channels, sizes, strict=True))


def _survey_layer(
    features: Features, layer: int, sources: Sequence[Source], train: np.ndarray, kept: np.ndarray, device: str
) -> tuple[dict[Source, Standardisation], Tensor]:
    moments = {source: Moments() for source in sources}
    held: Tensor | None = None
    for rows in chunks(np.union1d(train, kept)):
        parts = [raw_tokens(features, layer, rows, source).to(device) for source in sources]
        in_train = torch.from_numpy(np.isin(rows, train)).to(device)
        for source, part in zip(sources, parts, strict=True):
            moments[source].add(part[in_train])
        raw = torch.cat(parts, dim=1)
        if held is None:
            held = raw.new_empty(len(kept), *raw.shape[1:])
        wanted = np.isin(rows, kept)
        held[np.searchsorted(kept, rows[wanted])] = raw[torch.from_numpy(wanted).to(device)]
    assert held is not None
    scales = {source: Standardisation.of(moment) for source, moment in moments.items()}
    _check(features.layers[layer], scales)
    return scales, held


def _check(layer: str, scales: dict[Source, Standardisation]) -> None:
    for source, scale in scales.items():
        if not bool(torch.isfinite(scale.mean).all() and torch.isfinite(scale.sd).all()):
            raise DataError(
                f"layer {layer!r}: the {source} tokens of the train images hold NaN or infinity; "
                "use wider numbers (--set BACKBONE.dtype=float32), or leave the layer out"
            )
