"""Grid: how well each layer predicts alone, compared with the weight that the selector gives it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from brainbench import Features, MetricInputs, Responses, Score
from brainbench.builtin.metrics.r2 import voxel_r2

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
        measured = Measured.of(responses)
        alone = np.stack([layer_r2(features, layer, measured) for layer in range(len(features.layers))])  # [L, V]
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


@dataclass(frozen=True)
class Measured:
    """Return responses by split, minus their mean over the train split, float64 [n, V], and their stimuli, [n]."""

    values: Mapping[Split, np.ndarray]
    stimuli: Mapping[Split, np.ndarray]

    @classmethod
    def of(cls, responses: Responses) -> Measured:
        """All three splits of one subject."""
        rows = {split: responses.rows(split) for split in SPLITS}
        mean = responses.values[rows["train"]].mean(axis=0, dtype=np.float64)
        return cls(
            {split: responses.values[r] - mean for split, r in rows.items()},
            {split: responses.stimulus[r] for split, r in rows.items()},
        )


def layer_r2(features: Features, layer: int, measured: Measured) -> np.ndarray:
    """Return R2 on the test split, [V], of a ridge regression from one layer's global tokens.

    It is NaN for a voxel that does not vary there.
    """
    tokens = {split: features.global_tokens(layer, s).astype(np.float64) for split, s in measured.stimuli.items()}
    centre = tokens["train"].mean(axis=0)
    train, val, test = (tokens[split] - centre for split in SPLITS)
    variance = np.square(measured.values["train"]).mean(axis=0)
    scale = np.divide(1, variance, out=np.zeros_like(variance), where=variance > 0)

    def error(coefficients: np.ndarray) -> float:
        return float((np.square(measured.values["val"] - val @ coefficients) * scale).mean())

    return voxel_r2(measured.values["test"], test @ min(ridges(train, measured.values["train"]), key=error))


def ridges(tokens: np.ndarray, targets: np.ndarray) -> Iterator[np.ndarray]:
    """Coefficients [C, V] for each of ``PENALTIES``, of one decomposition; tokens: [n, C], targets: [n, V], centred.

    Minimises |y - X b|^2 + a |b|^2 with a = penalty times |X|^2 / C, the mean over channels of their sum of squares.
    """
    left, sizes, right = np.linalg.svd(tokens, full_matrices=False)
    turned = left.T @ targets
    unit = float(np.square(sizes).sum()) / tokens.shape[1] or 1.0
    for penalty in PENALTIES:
        yield right.T @ ((sizes / (np.square(sizes) + penalty * unit))[:, None] * turned)
