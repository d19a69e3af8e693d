"""Trust: can the layers from which a fit chooses be told apart at all?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from brainbench import MetricInputs, Score

# Cautious on purpose, see docs/decisions/008: networks as their libraries initialise them have 0.00 to 0.02, one whose layers
# differ 0.2 to 0.3.
THRESHOLD = 0.05

TOO_FEW = "too few training images for layers of so many channels to tell how alike neighbouring layers are"


def load(*, settings: Mapping[str, Any]) -> Trust:
    """The metric of card ``trust``."""
    return Trust()


class Trust:
    """How much neighbouring layers differ in what this fit reads from them.

    The data determine a layer selector only up to what the channel align of another layer could supply as well. R2 does not
    show it.
    """

    def score(self, inputs: MetricInputs) -> Score:
        """Return identifiability and aligned_r, both averaged over neighbouring layers.

        identifiability: share of a layer's aligned features that its neighbour could not supply with its own alignment;
        aligned_r: correlation of their aligned features.
        """
        found = inputs.selectors
        if found is None or found.layer is None or found.likeness is None:
            return Score(not_applicable="the encoder does not report how similar its layers are")
        if len(found.layers) == 1:
            return Score(not_applicable="a single layer has no neighbours")
        if np.isnan(_beside(found.likeness)).any():
            return Score(
                not_applicable=TOO_FEW, notes=(f"whether the layer map can be trusted cannot be told: {TOO_FEW}",)
            )
        identifiability = 1 - _neighbours(found.likeness)
        values = {"identifiability": identifiability}
        if found.correlation is not None:
            values["aligned_r"] = _neighbours(found.correlation)
        return Score(values=values, notes=_notes(identifiability))


def _neighbours(matrix: np.ndarray) -> float:
    """Return the mean of the entries next to the diagonal, on both sides."""
    return float(_beside(matrix).mean())


def _beside(matrix: np.ndarray) -> np.ndarray:
    return np.concatenate([np.diagonal(matrix, 1), np.diagonal(matrix, -1)])


def _notes(identifiability: float) -> tuple[str, ...]:
    if identifiability >= THRESHOLD:
        return ()
    return (
        f"neighbouring layers are so alike that the layer map cannot be trusted (identifiability below {THRESHOLD:g}):"
        " nearly all that a voxel reads in one layer could be had from the next, whatever R2 says",
    )
