"""Confidence: how sharply voxels choose a layer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from brainbench import MetricInputs, Score, layer_confidence


def load(*, settings: Mapping[str, Any]) -> Confidence:
    """The metric of card ``confidence``."""
    return Confidence()


class Confidence:
    """s_i = 1 - H(w_i) / log L (equation 2): 1 for a single layer, 0 for all layers equally."""

    def score(self, inputs: MetricInputs) -> Score:
        """Return the mean over all voxels ("all") and over every ROI that has some. per_voxel: s, [V]."""
        assert inputs.responses is not None
        layer = inputs.selectors.layer if inputs.selectors else None
        if layer is None:
            return Score(not_applicable="the encoder has no layer selector")
        if layer.shape[1] == 1:
            return Score(not_applicable="with a single layer there is no choice")
        per_voxel = layer_confidence(layer)
        regions = {name: per_voxel[mask] for name, mask in inputs.responses.rois.items() if mask.any()}
        values = {name: float(s.mean()) for name, s in {"all": per_voxel, **regions}.items()}
        return Score(values=values, per_voxel=per_voxel.astype(np.float32))
