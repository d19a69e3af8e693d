"""R2: how much of a voxel's variance over the test split is predicted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from brainbench import MetricInputs, Score, resamples
from brainbench.builtin.metrics.voxel_blocks import blocks, by_block


def load(*, settings: Mapping[str, Any]) -> R2:
    """The metric of card ``r2``."""
    return R2()


class R2:
    """R2_i = 1 - SS_res / SS_tot for every voxel, averaged over all voxels and over every ROI (section 4.1).

    A voxel that does not vary over the test split has no R2 and is left out. If the noise ceiling is known, the share of
    the ceiling is scored too: mean R2 over mean ceiling. A value above 1 is reported, not hidden: the ceiling is an
    estimate too.
    """

    def score(self, inputs: MetricInputs) -> Score:
        """Return "all", every ROI that has a voxel with a score, and the same with the suffix "_of_ceiling".

        per_voxel: raw, [V], NaN without a score. draws: of the raw scores.
        """
        assert inputs.predictions is not None
        assert inputs.responses is not None
        observed, predicted = inputs.predictions.observed, inputs.predictions.values
        per_voxel = voxel_r2(observed, predicted)
        usable = np.isfinite(per_voxel)
        if not usable.any():
            return Score(not_applicable="no voxel varies over the test split")
        regions = {"all": np.ones(len(per_voxel), dtype=bool), **inputs.responses.rois}
        regions = {name: mask & usable for name, mask in regions.items() if (mask & usable).any()}
        raw = {name: float(per_voxel[mask].mean()) for name, mask in regions.items()}
        shares, flags = _of_ceiling(per_voxel, inputs.responses.noise_ceiling, regions)
        counts = resamples(inputs.predictions.ids)
        return Score(
            values=raw | {f"{name}_of_ceiling": share for name, share in shares.items()},
            per_voxel=per_voxel.astype(np.float32),
            draws={} if counts is None else resampled_r2(observed, predicted, counts, regions),
            notes=_left_out(usable) + flags,
        )


def voxel_r2(observed: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """R2 of every voxel in float64; observed, predicted: [N, V]; returns [V], NaN for a voxel that does not vary."""
    return by_block(_r2, observed, predicted)


def _r2(observed: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    residual = np.square(observed - predicted).sum(axis=0)
    total = np.square(observed - observed.mean(axis=0)).sum(axis=0)
    varies = np.ptp(observed, axis=0) > 0
    return np.asarray(1 - np.divide(residual, total, out=np.full(len(total), np.nan), where=varies))


def resampled_r2(
    observed: np.ndarray, predicted: np.ndarray, counts: np.ndarray, regions: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Return the mean R2 of every region on every draw, [draws] float64.

    observed, predicted: [N, V]; counts: [draws, N], how often each row is drawn; regions: name -> bool [V]. Per voxel three
    sums over the drawn rows suffice, and they are matrix products: of the squared error, of the centred response and of its
    square.
    """
    counts = counts.astype(np.float64)  # in single precision, the square of a response of 1e20 is infinite
    drawn = counts.sum(axis=1, keepdims=True)
    members = np.stack([*regions.values()], axis=1).astype(np.float64)  # [V, regions]
    sums = np.zeros((len(counts), len(regions)))
    voxels = np.zeros_like(sums)
    for block in blocks(*observed.shape):
        here = observed[:, block].astype(np.float64)
        error = np.square(here - predicted[:, block])
        centred = here - here.mean(axis=0)
        squares = counts @ np.square(centred)
        total = squares - np.square(counts @ centred) / drawn
        varies = total > 1e-5 * squares  # a draw may hold one image of a voxel that responds to few
        r2 = 1 - np.divide(counts @ error, total, out=np.ones_like(total), where=varies)
        sums += np.where(varies, r2, 0) @ members[block]
        voxels += varies @ members[block]
    means = np.divide(sums, voxels, out=np.zeros_like(sums), where=voxels > 0)
    return dict(zip(regions, means.T, strict=True))


def _of_ceiling(
    per_voxel: np.ndarray, ceiling: np.ndarray | None, regions: Mapping[str, np.ndarray]
) -> tuple[dict[str, float], tuple[str, ...]]:
    """Share of the noise ceiling by region, and a flag for those above it."""
    if ceiling is None:
        return {}, ()
    known = np.isfinite(ceiling)
    shares = {}
    for name, mask in regions.items():
        explainable = float(ceiling[mask & known].sum())
        if explainable > 0:
            shares[name] = float(per_voxel[mask & known].sum() / explainable)
    above = [name for name, share in shares.items() if share > 1]
    flags = (f"r2: above the noise ceiling in {', '.join(above)}: the ceiling is too low there",) if above else ()
    return shares, flags


def _left_out(usable: np.ndarray) -> tuple[str, ...]:
    missing = int((~usable).sum())
    return (
        (f"r2: {missing} of {len(usable)} voxels do not vary over the test split and are left out",) if missing else ()
    )
