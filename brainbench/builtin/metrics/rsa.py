"""Representational similarity: does a layer tell apart the images that the brain tells apart?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from brainbench import Features, MetricInputs, Score
from brainbench.builtin.metrics.rdm import agreement, correlation_distances, noise_ceiling, upper_triangle


def load(*, settings: Mapping[str, Any]) -> Rsa:
    """The metric of card ``rsa``."""
    return Rsa(**settings)


class Rsa:
    """Correlation of every layer's dissimilarities with those measured in one subject (Kriegeskorte et al. 2008); no fit.

    A layer's dissimilarity of two images is 1 - Pearson's r of their tokens: ``local``, all tokens of the 8 x 8 grid in one
    row, or ``global``. A job scores one subject; the board's mean over subjects is the usual value and is shown next to the
    mean of the bounds. The bounds need other subjects who saw the same images; all subjects of the dataset count, not only
    the requested ones.

    With more than ``images`` images, that many are drawn with the job's seed and kept in the order of the stimuli: the same
    for every layer, backbone and subject. Memory in bytes, for n images: 8 n C_l H_l W_l, twice over, for one layer's
    tokens, or some 70 n^2 for the distances and ranks of four subjects, whichever is more. 1,000 images of a ViT-B take 0.9
    GB, 10,000 would take 9 GB and the measured matrices 0.8 GB each.
    """

    def __init__(self, tokens: str, compare: str, images: int) -> None:
        self.tokens, self.compare, self.images = tokens, compare, images

    def score(self, inputs: MetricInputs) -> Score:
        """Return best, the largest over layers; mean over layers; ceiling_lower, ceiling_upper; then every layer by name.

        best is chosen on the same images and is therefore optimistic. The bounds are those of this subject
        (``noise_ceiling`` of ``rdm``); they need another subject.
        """
        features, matrix = inputs.features, inputs.dissimilarities
        assert features is not None
        assert matrix is not None
        rows = draw(len(features), self.images, inputs.seed)
        own, *others = (upper_triangle(m[np.ix_(rows, rows)]) for m in (matrix, *inputs.other_dissimilarities))
        if not _varies(own):
            return Score(not_applicable=f"the measured dissimilarities of {len(rows)} images do not vary")
        layers = {
            name: agreement(rdm, own, self.compare)
            for index, name in enumerate(features.layers)
            if (rdm := self._layer(features, index, rows)) is not None and _varies(rdm)
        }
        if not layers:
            return Score(not_applicable="no layer has dissimilarities that vary")
        values = {"best": max(layers.values()), "mean": float(np.mean(list(layers.values())))}
        others = [rdm for rdm in others if _varies(rdm)]
        if others:
            values["ceiling_lower"], values["ceiling_upper"] = noise_ceiling(own, others, self.compare)
        return Score(values=values | layers, notes=self._notes(features, layers, len(rows), inputs.seed))

    def _layer(self, features: Features, layer: int, rows: np.ndarray) -> np.ndarray | None:
        read = features.local_tokens if self.tokens == "local" else features.global_tokens
        return correlation_distances(read(layer, rows).reshape(len(rows), -1))

    def _notes(self, features: Features, layers: Mapping[str, float], images: int, seed: int) -> tuple[str, ...]:
        notes = []
        if len(layers) > 1:
            notes.append("the best layer is chosen on the same images that it is shown for: optimistic")
        if images < len(features):
            notes.append(f"on {images} of {len(features)} images, drawn with seed {seed}; rsa.images takes more")
        missing = [name for name in features.layers if name not in layers]
        if missing:
            reason = f"an image has flat {self.tokens} tokens there or all are equally far apart"
            notes.append(f"left out, since {reason}: {', '.join(missing)}")
        return tuple(notes)


def draw(total: int, wanted: int, seed: int) -> np.ndarray:
    """Draw the row numbers of at most ``wanted`` of ``total`` stimuli, without replacement, ascending."""
    if total <= wanted:
        return np.arange(total)
    return np.sort(np.random.default_rng(seed).choice(total, wanted, replace=False))


def _varies(rdm: np.ndarray) -> bool:
    return rdm.size > 0 and bool(np.ptp(rdm) > 0)
