"""Recovery: are the selectors of a fit those with which a simulated brain was made?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from brainbench import MetricInputs, Score, Selectors, layer_place
from brainbench.builtin.metrics.hierarchy import hierarchy_fit, missing_levels

# Below this, there is no true slope to divide by, nor places to correlate with.
FLAT = 0.05


def load(*, settings: Mapping[str, Any]) -> Recovery:
    """The metric of card ``recovery``."""
    return Recovery()


class Recovery:
    """Comparison of a fit's selectors with the true ones, for datasets whose truth is known."""

    def score(self, inputs: MetricInputs) -> Score:
        """Return the scores for the selectors that the encoder has.

        layer_r: correlation over voxels of the place they select, 0 first layer .. 1 last; layer_error: mean absolute
        difference of these places; slope, true_slope, slope_ratio: the hierarchy's; space_error: mean absolute difference
        of a coordinate, in half widths of the image; space_r: mean correlation of the two coordinates; scale_r.
        """
        assert inputs.responses is not None
        found, truth = inputs.selectors, inputs.responses.truth
        if truth is None:
            return Score(not_applicable="it is not known what these voxels read")
        if found is None or (found.layer is None and found.space is None and found.scale is None):
            return Score(not_applicable="the encoder has no selectors")
        return Score(values=_layer(found, truth, inputs.responses.rois) | _space(found, truth) | _scale(found, truth))


def _layer(found: Selectors, truth: Selectors, rois: Mapping[str, np.ndarray]) -> dict[str, float]:
    if found.layer is None or truth.layer is None or found.layer.shape[1] == 1:
        return {}
    mine, theirs = layer_place(found.layer), layer_place(truth.layer)
    values = {"layer_error": float(np.abs(mine - theirs).mean())}
    flat = np.ptp(theirs) < FLAT
    if not flat:
        values["layer_r"] = _correlation(mine, theirs)
    if not missing_levels(rois):
        slope, true_slope = hierarchy_fit(mine, rois)[0], hierarchy_fit(theirs, rois)[0]
        values |= {"slope": slope, "true_slope": true_slope}
        if abs(true_slope) >= FLAT:
            values["slope_ratio"] = slope / true_slope
    return values


def _space(found: Selectors, truth: Selectors) -> dict[str, float]:
    if found.space is None or truth.space is None:
        return {}
    return {
        "space_error": float(np.abs(found.space - truth.space).mean()),
        "space_r": float(np.mean([_correlation(found.space[:, axis], truth.space[:, axis]) for axis in range(2)])),
    }


def _scale(found: Selectors, truth: Selectors) -> dict[str, float]:
    if found.scale is None or truth.scale is None or np.ptp(truth.scale) < FLAT:
        return {}
    return {"scale_r": _correlation(found.scale, truth.scale)}


def _correlation(mine: np.ndarray, theirs: np.ndarray) -> float:
    """Pearson's r; 0 where all voxels read the same."""
    if np.ptp(mine) == 0:
        return 0.0
    return float(np.corrcoef(mine.astype(np.float64), theirs.astype(np.float64))[0, 1])
