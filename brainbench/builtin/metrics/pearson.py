"""Pearson's r: how well predicted responses rise and fall with the measured ones, whatever their mean and scale."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from brainbench import MetricInputs, Score
from brainbench.builtin.metrics.voxel_blocks import by_block


def load(*, settings: Mapping[str, Any]) -> Pearson:
    """The metric of card ``pearson``."""
    return Pearson()


class Pearson:
    """Pearson's r of predicted and measured responses over the test split, voxel by voxel; the score of the Algonauts challenge.

    Raw: not divided by the noise ceiling. A voxel whose measured or predicted responses do not vary has no r and is left out,
    so an encoder that predicts a constant where it knows nothing looks better than it is: R2 counts such voxels.
    """

    def score(self, inputs: MetricInputs) -> Score:
        """Return the mean over all voxels ("all") and over every ROI that has some. per_voxel: [V], NaN without a score."""
        assert inputs.predictions is not None
        assert inputs.responses is not None
        observed, predicted = inputs.predictions.observed, inputs.predictions.values
        per_voxel = voxel_r(observed, predicted)
        usable = np.isfinite(per_voxel)
        if not usable.any():
            return Score(not_applicable="no voxel varies over the test split, both measured and predicted")
        regions = {"all": np.ones(len(per_voxel), dtype=bool), **inputs.responses.rois}
        return Score(
            values={
                name: float(per_voxel[mask & usable].mean()) for name, mask in regions.items() if (mask & usable).any()
            },
            per_voxel=per_voxel.astype(np.float32),
            notes=(*_notes("responses", observed), *_notes("predictions", predicted)),
        )


def voxel_r(observed: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Pearson's r of every voxel in float64; observed, predicted: [N, V]; returns [V], NaN where either does not vary."""
    return by_block(_r, observed, predicted)


def _r(observed: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    varies = (np.ptp(observed, axis=0) > 0) & (np.ptp(predicted, axis=0) > 0)
    x, y = _unit(observed[:, varies]), _unit(predicted[:, varies])
    r = np.full(len(varies), np.nan)
    r[varies] = np.clip((x * y).sum(axis=0), -1, 1)
    return r


def _unit(values: np.ndarray) -> np.ndarray:
    """[N, V] centred, every column of length 1."""
    centred = values - values.mean(axis=0)
    return np.asarray(centred / np.linalg.norm(centred, axis=0))


def _notes(what: str, values: np.ndarray) -> tuple[str, ...]:
    still = int((np.ptp(values, axis=0) == 0).sum())
    if not still:
        return ()
    return (f"the {what} of {still} of {values.shape[1]} voxels do not vary over the test split; these are left out",)
