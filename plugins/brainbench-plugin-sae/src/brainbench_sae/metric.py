"""The metric ``dictionary``: how alike voxels and their units are, and whether the units keep the order of the voxels.

A prediction of ``sae`` is a unit's series times a slope above 0, plus a constant: what correlates with the prediction
correlates as much with the unit. Shapes: N test images, V voxels, L layers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from brainbench import MetricInputs, Predictions, Responses, Score, resamples
from brainbench_sae.rois import consistency, selectivity, spatial_null, unlike

Doubles = NDArray[np.float64]
_VOXELS = 500  # in one block of draws


def load(*, settings: Mapping[str, Any]) -> VoxelDictionary:
    """The metric of card ``dictionary``."""
    return VoxelDictionary(settings["voxels"], settings["rotations"])


@dataclass(frozen=True)
class VoxelDictionary:
    """Scores the units of a fit of ``sae``. voxels: compared in pairs at most; rotations: of the spatial null."""

    voxels: int
    rotations: int

    def score(self, inputs: MetricInputs) -> Score:
        """Return the columns of the card; ``test:ROI`` and ``train:ROI``; ``test_max`` and ``train_max`` over voxels.

        Where there are coordinates: ``consistency_null``, the mean over rotated maps, and ``consistency_p``, the share of them
        that are as consistent. By layer: ``unexplained:``, ``active:``, ``dead:``, and ``share:``, the share of voxels that read
        it. per_voxel: the test similarity [V]. draws: of ``test``.
        """
        fit = inputs.parameters
        if fit is None or "similarity" not in fit or "nearest.0" not in fit:
            return Score(not_applicable="the encoder gives voxels no units; choose sae, sae/neuron or sae/untrained")
        assert inputs.predictions is not None
        assert inputs.responses is not None
        observed, predicted, ids = by_image(inputs.predictions)
        test = correlations(observed, predicted)
        known = np.isfinite(test)
        if not known.any():
            return Score(not_applicable="no voxel varies over the test split")
        train = fit["similarity"].numpy().astype(np.float64)
        regions = {"all": np.ones(len(test), bool), **inputs.responses.rois}
        regions = {name: mask & known for name, mask in regions.items() if (mask & known).any()}
        values = {"test": float(test[known].mean()), "train": float(train[known].mean())}
        values |= {"test_max": float(test[known].max()), "train_max": float(train[known].max())}
        for name, mask in regions.items():
            values |= {f"test:{name}": float(test[mask].mean()), f"train:{name}": float(train[mask].mean())}
        values |= of_fit(fit, tuple(inputs.selectors.layers) if inputs.selectors else ())
        more, notes = self._pairs(inputs.responses, observed, predicted, inputs.seed)
        counts = resamples(ids)
        draws = {} if counts is None else {"test": resampled(observed[:, known], predicted[:, known], counts)}
        return Score(values | more, test.astype(np.float32), draws=draws, notes=tuple(notes))

    def _pairs(
        self, responses: Responses, observed: Doubles, predicted: Doubles, seed: int
    ) -> tuple[dict[str, float], list[str]]:
        """Compare voxels in pairs: by their units and by their responses."""
        varies = (np.ptp(observed, axis=0) > 0) & (np.ptp(predicted, axis=0) > 0)
        chosen, notes = np.flatnonzero(varies), list[str]()
        if len(chosen) > self.voxels:
            chosen = np.sort(np.random.default_rng(seed).choice(chosen, self.voxels, replace=False))
            notes.append(
                f"pairs of {self.voxels} of {len(varies)} voxels, drawn with seed {seed}; dictionary.voxels takes more"
            )
        if len(chosen) < 3:
            return {}, ["fewer than three voxels vary: none are compared in pairs"]
        by_units, by_responses = (np.asarray(np.corrcoef(part[:, chosen].T)) for part in (predicted, observed))
        values = {"consistency": consistency(by_units, by_responses)}
        if responses.coordinates is not None and len(chosen) >= 10:
            null = spatial_null(by_units, by_responses, responses.coordinates[chosen], self.rotations, seed)
            values["consistency_null"] = float(null.mean())
            values["consistency_p"] = float((1 + (null >= values["consistency"]).sum()) / (1 + len(null)))
        apart = unlike({name: mask[chosen] for name, mask in responses.rois.items()})
        if (share := selectivity(by_units, by_responses, apart)) is not None:
            values["selectivity"] = share
        return values, notes


def of_fit(fit: Mapping[str, Any], layers: tuple[str, ...]) -> dict[str, float]:
    """Return the scores that the parameters of a fit give without any image."""
    count = sum(name.startswith("nearest.") for name in fit)
    layer, unit = fit["layer"].numpy(), fit["unit"].numpy()
    names = layers or tuple(str(number) for number in range(count))
    alive = sum(int((fit[f"nearest.{number}"] >= 0).sum()) for number in range(count))
    quality = fit["quality"].numpy().astype(np.float64)
    values = {
        "optimism": by_chance(alive, int(fit["facts"][0])),
        "distinct": len({*zip(layer.tolist(), unit.tolist(), strict=True)}) / len(unit),
    }
    for column, name in enumerate(("unexplained", "active", "dead")):
        values[name] = float(quality[:, column].mean())
        values |= {f"{name}:{layer}": float(quality[number, column]) for number, layer in enumerate(names)}
    return values | {f"share:{name}": float((layer == number).mean()) for number, name in enumerate(names)}


def by_chance(units: int, images: int) -> float:
    """Return the expected largest correlation of so many independent units with a voxel that reads none of them.

    Correlations of n images have a standard deviation of 1 / sqrt(n), and the largest of M normal numbers is expected near the
    quantile (M - 3/8) / (M + 1/4) (Blom 1958); with many units that is about sqrt(2 ln M / n).
    """
    return float(ndtri((units - 0.375) / (units + 0.25))) / math.sqrt(images)


def by_image(predictions: Predictions) -> tuple[Doubles, Doubles, list[str]]:
    """Return (observed, predicted [N, V], names [N]), where the trials of one image are averaged."""
    names, row, count = np.unique(np.asarray(predictions.ids, str), return_inverse=True, return_counts=True)
    if len(names) == len(row):
        return predictions.observed.astype(np.float64), predictions.values.astype(np.float64), list(predictions.ids)
    means = []
    for values in (predictions.observed, predictions.values):
        total = np.zeros((len(names), values.shape[1]))
        np.add.at(total, row, values)
        means.append(total / count[:, None])
    return means[0], means[1], names.tolist()


def correlations(one: Doubles, other: Doubles) -> Doubles:
    """Pearson's correlation of the columns of two arrays [N, V]; [V], NaN where one of the two does not vary."""
    one, other = one - one.mean(axis=0), other - other.mean(axis=0)
    size = np.sqrt(np.square(one).sum(axis=0) * np.square(other).sum(axis=0))
    return np.asarray(np.divide((one * other).sum(axis=0), size, out=np.full(len(size), np.nan), where=size > 0))


def resampled(observed: Doubles, predicted: Doubles, counts: NDArray[np.float32]) -> Doubles:
    """Return the mean correlation over voxels on every draw, [draws]; counts: [draws, N], how often each image is drawn.

    A voxel that does not vary in a draw counts as 0.
    """
    weights = counts.astype(np.float64) / counts.sum(axis=1, keepdims=True)
    total = np.zeros(len(weights))
    for start in range(0, observed.shape[1], _VOXELS):
        x, y = (
            part[:, start : start + _VOXELS] - part[:, start : start + _VOXELS].mean(0)
            for part in (observed, predicted)
        )
        mean_x, mean_y = weights @ x, weights @ y
        covariance = weights @ (x * y) - mean_x * mean_y
        variance = (weights @ np.square(x) - np.square(mean_x)) * (weights @ np.square(y) - np.square(mean_y))
        found = np.divide(
            covariance, np.sqrt(np.maximum(variance, 0)), out=np.zeros_like(covariance), where=variance > 0
        )
        total += found.sum(axis=1)
    return np.asarray(total / observed.shape[1])
