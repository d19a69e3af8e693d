"""Tokens as a fitted encoder's channel align gives them: every layer in the same D channels."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from brainbench.backbones.checkpoints import state_sha256
from brainbench.fitting.channel_align import ChannelAlign
from brainbench.fitting.prediction import evaluating
from brainbench.fitting.token_reader import CHUNK, LayerReader, TokenReader
from brainbench.types import Features


class AlignedFeatures:
    """``brainbench.Features`` of V_l' = (standardised V_l) W_l, float32, made anew at every call.

    features: whose layers; reader, align: how the fit standardised them, and its channel align, on ``device``. Tokens of a
    kind that the fit does not read (local ones, for classtoken) are standardised as those that it reads.
    """

    def __init__(self, features: Features, reader: TokenReader, align: ChannelAlign, device: str) -> None:
        self._features, self._reader, self._align, self._device = features, reader, align, device
        self.key = f"{features.key} aligned {state_sha256(align)}"
        self.layers, self.grids = features.layers, features.grids
        self.channels = (align.dim,) * len(features.layers)

    def __len__(self) -> int:
        return len(self._features)

    def local_tokens(self, layer: int, rows: np.ndarray | slice = slice(None)) -> np.ndarray:
        """[n, D, H_l, W_l] of these rows."""
        # The global token goes along: a channel align may know it by its place.
        places = self._read(self._reader.layers[layer].of("local", "global"), rows)[:, :-1]
        return places.swapaxes(1, 2).reshape(len(places), self.channels[layer], *self.grids[layer])

    def global_tokens(self, layer: int, rows: np.ndarray | slice = slice(None)) -> np.ndarray:
        """[n, D] of these rows."""
        return self._read(self._reader.layers[layer].of("global"), rows)[:, 0]

    def _read(self, reader: LayerReader, rows: np.ndarray | slice) -> np.ndarray:
        """[n, P, D]; no more than a chunk of unaligned tokens at once."""
        stimuli = np.arange(len(self))[rows]
        blocks = np.split(stimuli, range(CHUNK, len(stimuli), CHUNK))
        return np.concatenate([self._aligned(reader, block).numpy(force=True) for block in blocks])

    def _aligned(self, reader: LayerReader, stimuli: np.ndarray) -> Tensor:
        with evaluating(self._align):
            return self._align.layer(reader.layer, reader.read(self._features, stimuli).float().to(self._device))
