"""Similarity of a backbone's layers. A layer selector cannot tell apart what two layers share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from brainbench import Features, MetricInputs, Score

STIMULI = 500
POOLED = 4
# In simulations with neighbours this similar, R2 stays near its ceiling while the layer map loses half its slope.
ALIKE = 0.95


def load(*, settings: Mapping[str, Any]) -> Layers:
    """The metric of card ``layers``."""
    return Layers()


class Layers:
    """Similarity of two layers' local tokens, pooled to 4 x 4, over at most 500 images: directly, and up to a linear map.

    r is the correlation of their tokens channel by channel, for layers of equal width; neighbours in a residual stream come
    near 1. CKA is debiased linear CKA. Encoders align the channels of each layer by a matrix of its own, so what matters
    for a layer map is what such a matrix can carry from one layer to the next: CKA accepts layers of unequal width and is
    blind to rotations of the channels. A token counts as a sample, as it does for the alignment. Channels are centred over
    the images at every place (what all images share, position embeddings, predicts no response) and, for CKA, standardised
    as encoders see them.
    """

    def score(self, inputs: MetricInputs) -> Score:
        """Return r as "1-2", "2-3", ...; "neighbours", their mean; "first_last"; the same for CKA with the suffix "_cka".

        About 0 means unlike, 1 equal. A backbone with layers of unequal width has no r.
        """
        features = inputs.features
        assert features is not None
        if len(features.layers) == 1:
            return Score(not_applicable="a single layer has no neighbours")
        rows = np.arange(0, len(features), max(1, -(-len(features) // STIMULI)))
        first = last = LayerTokens.read(features, 0, rows)
        one_width = len(set(features.channels)) == 1
        r: dict[str, float] = {}
        cka: dict[str, float] = {}
        for layer, name in enumerate(features.layers):
            tokens = LayerTokens.read(features, layer, rows) if layer else first
            if tokens.itself <= 0:
                return Score(not_applicable=f"layer {name!r} does not vary over the images")
            if layer:
                pair = f"{layer}-{layer + 1}"
                cka[pair] = last.alike(tokens)
                if one_width:
                    r[pair] = last.correlation(tokens)
            last = tokens
        values = _summed_up(cka, first.alike(last), "_cka")
        if one_width:
            values = _summed_up(r, first.correlation(last), "") | values
        return Score(values=values, notes=_notes(values["neighbours_cka"]))


def _summed_up(pairs: Mapping[str, float], first_last: float, suffix: str) -> dict[str, float]:
    summary = {"neighbours": float(np.mean(list(pairs.values()))), "first_last": first_last}
    return {f"{name}{suffix}": value for name, value in (summary | dict(pairs)).items()}


@dataclass(frozen=True)
class LayerTokens:
    """Tokens of one layer, [n, C_l] float32, n = images x 16.

    tokens: centred and standardised; raw: centred only; itself: the dependence of ``tokens`` on themselves.
    """

    tokens: Tensor
    raw: Tensor
    itself: float

    @classmethod
    def read(cls, features: Features, layer: int, rows: np.ndarray) -> LayerTokens:
        """The tokens of the images with these row numbers."""
        local = torch.tensor(features.local_tokens(layer, rows)).float()
        pooled = adaptive_avg_pool2d(local, POOLED)
        centred = (pooled - pooled.mean(dim=0)).permute(0, 2, 3, 1).flatten(0, 2)
        sd = centred.square().mean(dim=0).sqrt()
        tokens = centred / torch.where(sd > 0, sd, 1.0)
        return cls(tokens, centred, dependence(tokens, tokens))

    def correlation(self, other: LayerTokens) -> float:
        """Pearson's r with a layer of the same width, over all tokens and channels."""
        return float(torch.corrcoef(torch.stack([self.raw.flatten(), other.raw.flatten()]))[0, 1])

    def alike(self, other: LayerTokens) -> float:
        """Linear CKA with another layer."""
        return dependence(self.tokens, other.tokens) / sqrt(self.itself * other.itself)


def dependence(x: Tensor, y: Tensor) -> float:
    """Unbiased linear HSIC times n (n - 3); x: [n, C], y: [n, C'], columns centred, n > 3 (Song et al. 2012, equation 5).

    Equal to tr(KL) + 1'K1 1'L1 / ((n-1)(n-2)) - 2/(n-2) 1'KL1 with K = xx', L = yy' and zeros on both diagonals, from C x C'
    products only. Without the correction, wide layers look alike for few images (Nguyen et al. 2021).
    """
    n = len(x)
    dx, dy = x.square().sum(dim=1).double(), y.square().sum(dim=1).double()
    shared = (x.t() @ y).double().square().sum()
    own = torch.dot(dx, dy)
    return float(shared - own + dx.sum() * dy.sum() / ((n - 1) * (n - 2)) - 2 / (n - 2) * own)


def _notes(neighbours: float) -> tuple[str, ...]:
    if neighbours < ALIKE:
        return ()
    return (f"neighbouring layers are nearly the same (CKA {ALIKE:g} or more); a layer map can be far off",)
