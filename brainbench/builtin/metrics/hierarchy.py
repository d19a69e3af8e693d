"""Hierarchy slope: does the layer that voxels select rise along the visual hierarchy?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from brainbench import MetricInputs, Score, layer_place

# The four levels of section 4.3 and their ideal place between the first layer (0) and the last (1).
LEVELS: Mapping[tuple[str, ...], float] = {("V1",): 0.0, ("V2", "V3"): 1 / 3, ("OPA",): 2 / 3, ("EBA",): 1.0}


def load(*, settings: Mapping[str, Any]) -> Hierarchy:
    """The metric of card ``hierarchy``."""
    return Hierarchy()


class Hierarchy:
    """Ordinary least squares of the place a voxel selects on the ideal place of its ROI (section 4.3)."""

    def score(self, inputs: MetricInputs) -> Score:
        """Return slope; b0, the fitted place at V1; b1 = slope + b0, the fitted place at EBA. per_voxel: the places, [V].

        slope_se, b0_se, b1_se: their standard errors over voxels. Neighbouring voxels are not independent, so the true
        uncertainty is larger: these are lower bounds.
        """
        assert inputs.responses is not None
        layer = inputs.selectors.layer if inputs.selectors else None
        if layer is None:
            return Score(not_applicable="the encoder has no layer selector")
        if layer.shape[1] == 1:
            return Score(not_applicable="a single layer has no hierarchy")
        rois = inputs.responses.rois
        missing = missing_levels(rois)
        if missing:
            return Score(not_applicable=f"no voxels in {', '.join(missing)}")
        place = layer_place(layer)
        slope, b0 = hierarchy_fit(place, rois)
        errors = zip(("slope_se", "b0_se", "b1_se"), hierarchy_errors(place, rois), strict=True)
        values = {"slope": slope, "b0": b0, "b1": slope + b0, **dict(errors)}
        return Score(values=values, per_voxel=place.astype(np.float32))


def missing_levels(rois: Mapping[str, np.ndarray]) -> list[str]:
    """Return the ROIs of the four levels that have no voxel."""
    return [name for level in LEVELS for name in level if name not in rois or not rois[name].any()]


def hierarchy_fit(place: np.ndarray, rois: Mapping[str, np.ndarray]) -> tuple[float, float]:
    """(slope, b0) of the places [V] of the voxels in all four levels' ROIs."""
    x, y = _ideal_and_found(place, rois)
    slope = float(np.dot(x - x.mean(), y - y.mean()) / np.square(x - x.mean()).sum())
    return slope, float(y.mean() - slope * x.mean())


def hierarchy_errors(place: np.ndarray, rois: Mapping[str, np.ndarray]) -> tuple[float, float, float]:
    """Return the standard errors of (slope, b0, b1), for ordinary least squares and n independent voxels of equal variance.

    That of the fitted place at x is s sqrt(1/n + (x - mean)^2 / S_xx), with s^2 = SS_res / (n - 2).
    """
    x, y = _ideal_and_found(place, rois)
    slope, b0 = hierarchy_fit(place, rois)
    spread = np.square(x - x.mean()).sum()
    variance = np.square(y - b0 - slope * x).sum() / (len(x) - 2)
    ends = np.square(np.array([0.0, 1.0]) - x.mean())
    b0_se, b1_se = np.sqrt(variance * (1 / len(x) + ends / spread))
    return float(np.sqrt(variance / spread)), float(b0_se), float(b1_se)


def _ideal_and_found(place: np.ndarray, rois: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Return the ideal and selected places of the n voxels in all four levels' ROIs, [n] each."""
    masks = {ideal: np.logical_or.reduce([rois[name] for name in level]) for level, ideal in LEVELS.items()}
    x = np.concatenate([np.full(mask.sum(), ideal) for ideal, mask in masks.items()])
    return x, np.concatenate([place[mask] for mask in masks.values()])
