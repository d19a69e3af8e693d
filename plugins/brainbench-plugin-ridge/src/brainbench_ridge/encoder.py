"""The encoders: ridge on all layers together, on the best layer of each voxel, and banded over layers.

One form holds all three: y = sum_l b_lv K_l w_v, with K_l the inner products of images in layer l's pooled tokens, w_v the voxel's
weights of the images that were fitted, and b_lv its share of the layer: 1, one-hot, or found.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from brainbench import DataError, Features, FitContext, Responses, Selectors
from brainbench_ridge.kernels import Floats, Pooled, folds, moments, root
from brainbench_ridge.solve import Folds, banded_ridge, kernel_ridge

_VOXELS = 2000  # in one block


def load(*, kind: str, settings: Mapping[str, Any]) -> Ridge:
    """The encoder of a card; kind: joint, best or banded."""
    return Ridge(kind, settings["pool"], settings["folds"], settings.get("draws", 0))


@dataclass(frozen=True)
class Ridge:
    """Ridge regression of responses on pooled local tokens, solved for images.

    Penalties are chosen for every voxel by cross-validation over the train and val splits together, on which the regression is
    then fitted. An image stands for all its trials, by their mean and with their weight: that is the regression on trials, and
    no image is ever on both sides of a fold.
    """

    kind: str
    pool: int
    folds: int
    draws: int

    def fit(self, features: Features, responses: Responses, context: FitContext) -> FittedRidge:
        """Fit on train and val. Raises DataError when there is too little, or when tokens or responses are not finite."""
        trials = np.flatnonzero(responses.split != "test")
        images, shown, seen = np.unique(responses.stimulus[trials], return_inverse=True, return_counts=True)
        parts = folds(len(images), self.folds, context.seed)
        y, mean, sd = _standardised(responses, trials, shown, seen)
        pooled = []
        for layer in range(len(features.layers)):
            pooled.append(Pooled.of(features, layer, self.pool, images, seen))
            context.progress(layer + 1, 2 * len(features.layers), "tokens read")
        solve = {"joint": self._joint, "best": self._best, "banded": self._banded}[self.kind]
        weights, bands = solve(pooled, y, parts, context)
        profile = (bands / bands.sum(axis=0)).T.astype(np.float32)
        selectors = None if self.kind == "joint" else Selectors(features.layers, layer=profile)
        return FittedRidge(tuple(pooled), images, seen, weights, bands, mean, sd, selectors)

    def _joint(self, pooled: Sequence[Pooled], y: Floats, parts: Folds, context: FitContext) -> tuple[Floats, Floats]:
        kernel = sum(layer.own_kernel() for layer in pooled) / np.float32(len(pooled))
        weights, _ = kernel_ridge(np.asarray(kernel), y, parts, context.device)
        return weights, np.full((len(pooled), y.shape[1]), 1 / len(pooled), dtype=np.float32)

    def _best(self, pooled: Sequence[Pooled], y: Floats, parts: Folds, context: FitContext) -> tuple[Floats, Floats]:
        best = np.full(y.shape[1], np.inf, dtype=np.float32)
        weights, bands = np.zeros_like(y), np.zeros((len(pooled), y.shape[1]), dtype=np.float32)
        for number, layer in enumerate(pooled):
            found, loss = kernel_ridge(layer.own_kernel(), y, parts, context.device)
            better = loss < best
            best[better], weights[:, better], bands[:, better] = loss[better], found[:, better], 0
            bands[number, better] = 1
            context.progress(len(pooled) + number + 1, 2 * len(pooled), "")
        return weights, bands

    def _banded(self, pooled: Sequence[Pooled], y: Floats, parts: Folds, context: FitContext) -> tuple[Floats, Floats]:
        kernels = np.stack([layer.own_kernel() for layer in pooled])
        return banded_ridge(kernels, y, parts, self.draws, context.seed, context.device)


@dataclass(frozen=True)
class FittedRidge:
    """What ``fit`` returns (see ``brainbench.Fitted``).

    pooled: tokens of the fitted images, layer by layer; images: [n], their rows of the features; trials: [n], of each;
    weights: [n, V]; bands: [L, V]; mean, sd: [V], of the responses.
    """

    pooled: tuple[Pooled, ...]
    images: NDArray[np.int64]
    trials: NDArray[np.int64]
    weights: Floats
    bands: Floats
    mean: Floats
    sd: Floats
    selectors: Selectors | None = None
    history: Sequence[Mapping[str, float]] = ()
    notes: Sequence[str] = ()

    def predict(self, features: Features, stimuli: NDArray[np.int64]) -> Floats:
        """Predicted responses [m, V], in the units of the measured ones, to the stimuli with these row numbers."""
        total = np.zeros((len(stimuli), len(self.mean)), dtype=np.float32)
        for layer, band in zip(self.pooled, self.bands, strict=True):
            read = band > 0
            if read.any():
                total[:, read] += layer.kernel(features, stimuli) @ (self.weights[:, read] * band[read])
        return np.asarray(total * self.sd + self.mean, dtype=np.float32)

    def parameters(self) -> dict[str, Tensor]:
        """Enough to predict again beside the features: weights, bands, the fitted images with their trials, and every scale."""
        arrays: dict[str, NDArray[Any]] = {
            "weights": self.weights, "bands": self.bands, "images": self.images, "trials": self.trials,
            "responses.mean": self.mean, "responses.sd": self.sd,
        }  # fmt: skip
        for layer in self.pooled:
            arrays |= {f"tokens.{layer.layer}.mean": layer.mean, f"tokens.{layer.layer}.sd": layer.sd}
        return {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in arrays.items()}


def _standardised(
    responses: Responses, trials: NDArray[np.int64], shown: NDArray[np.int64], seen: NDArray[np.int64]
) -> tuple[Floats, Floats, Floats]:
    """(y [n, V], mean [V], sd [V]); shown: which of the n images each trial is of; seen: [n], the trials of each."""
    values = np.asarray(responses.values[trials], dtype=np.float32)
    bad = np.logical_not(np.isfinite(values).all(axis=0))
    if bad.any():
        raise DataError(
            f"subject {responses.subject}: {int(bad.sum())} of {len(bad)} voxels hold NaN or infinity in the train or val "
            f"split, the first is voxel {int(np.flatnonzero(bad)[0])}; leave these voxels out of the dataset"
        )
    order, first = np.argsort(shown, kind="stable"), np.cumsum(seen) - seen
    once = np.ones(len(values), dtype=np.int64)
    y = np.empty((len(seen), values.shape[1]), dtype=np.float32)
    mean, sd = np.empty_like(y[0]), np.empty_like(y[0])
    # In blocks: float64 figures of all trials would take more memory than everything else.
    for start in range(0, len(mean), _VOXELS):
        block = slice(start, start + _VOXELS)
        mean[block], sd[block] = moments(values[:, block], once)
        y[:, block] = np.add.reduceat((values[order, block] - mean[block]) / sd[block], first, axis=0) / root(seen)
    return y, mean, sd
