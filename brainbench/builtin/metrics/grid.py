"""Grid: how well each layer predicts alone, compared with the weight that the selector gives it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

import numpy as np

from brainbench import Features, MetricInputs, Responses, Score
from brainbench.builtin.metrics.r2 import voxel_r2
from brainbench.builtin.metrics.voxel_blocks import blocks

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")
# In units of the mean variance of a token's channels, so that they mean the same for every network.
PENALTIES = (1e-3, 1e-2, 1e-1, 1.0, 1e1, 1e2, 1e3)


def load(*, settings: Mapping[str, Any]) -> Grid:
    """The metric of card ``grid``."""
    return Grid()


class Grid:
    """Ridge regression from the global tokens of each layer in turn, as in the grid search of appendix F (Figure 25).

    The penalty of a layer is the one that predicts the val split best; R2 is that of the test split. It is compared with
    the mean weight that the voxels of a region give the layer.
    """

    def score(self, inputs: MetricInputs) -> Score:
        """Return "V1 r2 NAME" and "V1 weight NAME" for each region ("all" too) and layer, and "match".

        match: correlation over layers of R2 and weight, averaged over the regions in which both vary.
        """
        features, responses = inputs.features, inputs.responses
        assert features is not None
        assert responses is not None
        weights = inputs.selectors.layer if inputs.selectors else None
        if weights is None:
            return Score(not_applicable="the encoder has no layer selector")
        if len(features.layers) == 1:
            return Score(not_applicable="with a single layer there is no grid")
        regions = {"all": np.ones(len(weights), dtype=bool), **responses.rois}
        regions = {name: voxels for name, voxels in regions.items() if voxels.any()}
        alone = np.stack([layer_r2(features, layer, responses) for layer in range(len(features.layers))])  # [L, V]
        varies = np.isfinite(alone[0])
        values: dict[str, float] = {}
        matches = []
        for name, voxels in regions.items():
            if not (voxels & varies).any():
                continue
            r2, weight = alone[:, voxels & varies].mean(axis=1), weights[voxels].mean(axis=0)
            for layer, figure, share in zip(features.layers, r2, weight, strict=True):
                values |= {f"{name} r2 {layer}": float(figure), f"{name} weight {layer}": float(share)}
            if np.ptp(r2) > 0 and np.ptp(weight) > 0:
                matches.append(float(np.corrcoef(r2, weight)[0, 1]))
        if not matches:
            return Score(not_applicable="all layers predict equally well, or have equal weights")
        return Score(values=values | {"match": float(np.mean(matches))})


def layer_r2(features: Features, layer: int, responses: Responses) -> np.ndarray:
    """R2 on the test split, [V], of a ridge from one layer's global tokens; NaN for a voxel that does not vary there."""
    rows = {split: responses.rows(split) for split in SPLITS}
    stimuli = (responses.stimulus[rows[split]] for split in SPLITS)
    train, val, test = (features.global_tokens(layer, seen).astype(np.float64) for seen in stimuli)
    centre = train.mean(axis=0)
    fit, (val, test) = Ridges(train - centre), (val - centre, test - centre)
    # Every penalty's R2 is kept, [V] each, until it is known which of them val likes best: its error is a sum over all voxels.
    error, r2 = np.zeros(len(PENALTIES)), np.empty((len(PENALTIES), responses.values.shape[1]))
    for block in blocks(len(responses.values), r2.shape[1]):
        measured = {split: responses.values[rows[split], block].astype(np.float64) for split in SPLITS}
        measured = {split: values - measured["train"].mean(axis=0) for split, values in measured.items()}
        variance = np.square(measured["train"]).mean(axis=0)
        scale = np.divide(1, variance, out=np.zeros_like(variance), where=variance > 0)
        for number, coefficients in enumerate(fit.coefficients(measured["train"])):
            error[number] += (np.square(measured["val"] - val @ coefficients) * scale).sum()
            r2[number, block] = voxel_r2(measured["test"], test @ coefficients)
    return np.asarray(r2[error.argmin()])


class Ridges:
    """Ridges on centred tokens [n, C] for each of ``PENALTIES``, of one decomposition.

    They minimise |y - X b|^2 + a |b|^2 with a = penalty times |X|^2 / C, the mean over channels of their sum of squares.
    """

    def __init__(self, tokens: np.ndarray) -> None:
        self._left, self._sizes, self._right = np.linalg.svd(tokens, full_matrices=False)
        self._unit = float(np.square(self._sizes).sum()) / tokens.shape[1] or 1.0

    def coefficients(self, targets: np.ndarray) -> Iterator[np.ndarray]:
        """[C, V] for each penalty; targets: [n, V], centred."""
        turned = self._left.T @ targets
        for penalty in PENALTIES:
            shrunk = self._sizes / (np.square(self._sizes) + penalty * self._unit)
            yield self._right.T @ (shrunk[:, None] * turned)
