"""R2: how much of a voxel's variance over the test split is predicted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from brainbench import MetricInputs, Score


def load(*, settings: Mapping[str, Any]) -> R2:
    """The metric of card ``r2``."""
    return R2()


class R2:
    """R2_i = 1 - SS_res / SS_tot for every voxel, averaged over all voxels and over every ROI (section 4.1).

    Raw: not divided by the noise ceiling. A voxel that does not vary over the test split has no R2 and is left out.
    """

    def score(self, inputs: MetricInputs) -> Score:
        """Figures: "all", and every ROI that has a voxel with a figure. per_voxel: [V], NaN where there is none."""
        assert inputs.predictions is not None
        assert inputs.responses is not None
        per_voxel = voxel_r2(inputs.predictions.observed, inputs.predictions.values)
        usable = np.isfinite(per_voxel)
        if not usable.any():
            return Score(not_applicable="no voxel varies over the test split")
        regions = {"all": np.ones(len(per_voxel), dtype=bool), **inputs.responses.rois}
        return Score(
            values={
                name: float(per_voxel[mask & usable].mean()) for name, mask in regions.items() if (mask & usable).any()
            },
            per_voxel=per_voxel.astype(np.float32),
            notes=_notes(usable),
        )


def voxel_r2(observed: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """R2 of every voxel in float64; observed, predicted: [N, V]; returns [V], NaN for a voxel that does not vary."""
    observed, predicted = observed.astype(np.float64), predicted.astype(np.float64)
    residual = np.square(observed - predicted).sum(axis=0)
    total = np.square(observed - observed.mean(axis=0)).sum(axis=0)
    varies = np.ptp(observed, axis=0) > 0
    return np.asarray(1 - np.divide(residual, total, out=np.full(len(total), np.nan), where=varies))


def _notes(usable: np.ndarray) -> tuple[str, ...]:
    missing = int((~usable).sum())
    return (
        (f"r2: {missing} of {len(usable)} voxels do not vary over the test split and are left out",) if missing else ()
    )
