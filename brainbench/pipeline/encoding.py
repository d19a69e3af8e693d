"""Features and responses -> a fitted encoder, its predictions on the test split and its selectors, checked."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from brainbench.errors import PluginError
from brainbench.protocols import Encoder, Fitted
from brainbench.types import Features, FitContext, Predictions, Responses, Selectors, Stimuli


@dataclass(frozen=True)
class Encoding:
    """A fit and what came out of it."""

    fitted: Fitted
    predictions: Predictions
    selectors: Selectors | None


def encode(
    encoder: Encoder, features: Features, responses: Responses, stimuli: Stimuli, context: FitContext, name: str
) -> Encoding:
    """Fit on train and val, predict test. Raises PluginError when what comes back is of a wrong shape or not finite."""
    fitted = encoder.fit(features, responses, context)
    test = responses.rows("test")
    shown = responses.stimulus[test]
    values = np.asarray(fitted.predict(features, shown))
    expected = (len(test), responses.values.shape[1])
    if values.shape != expected:
        raise PluginError(f"{name}: predict() gave {list(values.shape)}, expected {list(expected)}")
    if not all(np.isfinite(row).all() for row in values):
        raise PluginError(f"{name}: predict() gave NaN or infinite values")
    observed = np.asarray(responses.values[test], dtype=np.float32)
    ids = tuple(stimuli.ids[i] for i in shown.tolist())
    return Encoding(
        fitted,
        Predictions(np.asarray(values, np.float32), observed, ids),
        _checked(fitted.selectors, expected[1], name),
    )


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
