"""Features and responses -> a fitted encoder, its predictions on the test split and its selectors, checked."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from brainbench.errors import PluginError
from brainbench.protocols import Aligning, Encoder, Fitted
from brainbench.types import Features, FitContext, Predictions, Responses, Selectors, Stimuli


@dataclass(frozen=True)
class Encoding:
    """A fit and its results.

    unmeasured: predictions [n, V] for the stimuli without responses, if there are any; aligned: the tokens after its
    channel align, if it has one.
    """

    fitted: Fitted
    predictions: Predictions
    selectors: Selectors | None
    unmeasured: np.ndarray | None = None
    aligned: Features | None = None


def encode(
    encoder: Encoder, features: Features, responses: Responses, stimuli: Stimuli, context: FitContext, name: str
) -> Encoding:
    """Fit on train and val, and predict test and unmeasured stimuli.

    Raises PluginError if a result, including the history's values, has a wrong shape or is not finite.
    """
    fitted = encoder.fit(features, responses, context)
    _check_history(fitted.history, name)
    test, voxels = responses.rows("test"), responses.values.shape[1]
    shown = responses.stimulus[test]
    values = predicted(fitted, features, shown, voxels, name)
    observed = np.asarray(responses.values[test], dtype=np.float32)
    ids = tuple(stimuli.ids[i] for i in shown.tolist())
    unmeasured = np.array(stimuli.unmeasured, int)
    return Encoding(
        fitted,
        Predictions(values, observed, ids),
        _checked(fitted.selectors, voxels, name),
        predicted(fitted, features, unmeasured, voxels, name) if len(unmeasured) else None,
        fitted.aligned(features) if isinstance(fitted, Aligning) else None,
    )


def _check_history(history: Sequence[Mapping[str, float]], name: str) -> None:
    for number, row in enumerate(history, 1):
        for figure, value in row.items():
            if not isinstance(value, int | float | np.number) or not math.isfinite(value):
                raise PluginError(
                    f"{name}: row {number} of the fit's history says {figure} = {value}: figures must be finite numbers; "
                    "leave out what there is none of"
                )


def predicted(fitted: Fitted, features: Features, stimuli: np.ndarray, voxels: int, name: str) -> np.ndarray:
    """Predictions [n, V] float32 of a fit of the encoder ``name``; PluginError if they are of a wrong shape or not finite."""
    values, expected = np.asarray(fitted.predict(features, stimuli)), (len(stimuli), voxels)
    if values.shape != expected:
        raise PluginError(f"{name}: predict() gave {list(values.shape)}, expected {list(expected)}")
    if not all(np.isfinite(row).all() for row in values):
        raise PluginError(f"{name}: predict() gave NaN or infinite values")
    return np.asarray(values, np.float32)


def _checked(selectors: Selectors | None, voxels: int, name: str) -> Selectors | None:
    if selectors is None:
        return None
    shapes = {
        "layer": (selectors.layer, (voxels, len(selectors.layers))),
        "space": (selectors.space, (voxels, 2)),
        "scale": (selectors.scale, (voxels,)),
    }
    for kind, (array, expected) in shapes.items():
        if array is not None and array.shape != expected:
            raise PluginError(f"{name}: the {kind} selector is {list(array.shape)}, expected {list(expected)}")
        if array is not None and not np.isfinite(array).all():
            raise PluginError(f"{name}: the {kind} selector holds NaN or infinite values")
    return selectors
