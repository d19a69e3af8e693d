"""The encoders: ridge on all layers together, on the best layer of each voxel, and banded over layers.

One form holds all three: y = sum_l b_lv K_l w_v, with K_l the inner products of images in layer l's pooled tokens, w_v the voxel's
weights of the images that were fitted, and b_lv its share of the layer: 1, one-hot, or found.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from brainbench import DataError, Features, FitContext, Responses, Selectors
from brainbench_ridge.kernels import Floats, PooledLayer, Rows, folds
from brainbench_ridge.responses import by_image
from brainbench_ridge.solve import Folds, banded_ridge, kernel_ridge

# Voxels predicted at once.
_VOXELS = 2000


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
        layers, count = [], len(features.layers)
        for layer in range(count):
            layers.append(PooledLayer.of(features, layer, self.pool, images, seen))
            context.progress(layer + 1, 2 * count, "tokens read")

        def add_kernel(total: Floats, layer: int, share: float = 1.0) -> Floats:
            layers[layer].add_kernel(total, share, features, images, seen)
            context.progress(count + layer + 1, 2 * count, "images compared")
            return total

        y, mean, sd = by_image(responses, trials, shown, seen)
        solve = {"joint": self._joint, "best": self._best, "banded": self._banded}[self.kind]
        weights, bands = solve(add_kernel, count, y, parts, context)
        profile = (bands / bands.sum(axis=0)).T.astype(np.float32)
        selectors = None if self.kind == "joint" else Selectors(features.layers, layer=profile)
        return FittedRidge(tuple(layers), features, images, seen, weights, bands, mean, sd, selectors)

    def restore(self, parameters: Mapping[str, Tensor], features: Features, device: str) -> FittedRidge:
        """The fit with these parameters; its predictions read the fitted images among ``features`` again."""
        kept = {name: tensor.numpy() for name, tensor in parameters.items()}
        places = [(c * self.pool**2,) for c in features.channels]
        names = [f"tokens.{layer}" for layer in range(len(places))]
        found = [kept.get(f"{name}.mean", np.empty(0)).shape for name in names]
        if found != places or len(kept["bands"]) != len(places) or kept["images"].max() >= len(features):
            raise DataError(
                f"the parameters are not those of a ridge on {len(places)} layers of {', '.join(map(str, features.channels))} "
                f"channels pooled to {self.pool} x {self.pool}; give the features that it was fitted to"
            )
        layers = [PooledLayer(i, self.pool, kept[f"{n}.mean"], kept[f"{n}.sd"]) for i, n in enumerate(names)]
        return FittedRidge(
            layers=tuple(layers),
            features=features,
            images=kept["images"],
            trials=kept["trials"],
            weights=kept["weights"],
            bands=kept["bands"],
            mean=kept["responses.mean"],
            sd=kept["responses.sd"],
        )

    def _joint(
        self, add_kernel: AddKernel, layers: int, y: Floats, parts: Folds, context: FitContext
    ) -> tuple[Floats, Floats]:
        kernel = np.zeros((len(y), len(y)), dtype=np.float32)
        for layer in range(layers):
            add_kernel(kernel, layer, 1 / layers)
        bands = np.full((layers, y.shape[1]), 1 / layers, dtype=np.float32)
        # The weights take the responses' place: nothing needs these any more, and they are as large.
        kernel_ridge(kernel, y, parts, context.device, out=y)
        return y, bands

    def _best(
        self, add_kernel: AddKernel, layers: int, y: Floats, parts: Folds, context: FitContext
    ) -> tuple[Floats, Floats]:
        best = np.full(y.shape[1], np.inf, dtype=np.float32)
        weights, bands = np.zeros_like(y), np.zeros((layers, y.shape[1]), dtype=np.float32)
        found = np.empty_like(y)
        for layer in range(layers):
            kernel = add_kernel(np.zeros((len(y), len(y)), dtype=np.float32), layer)
            loss = kernel_ridge(kernel, y, parts, context.device, out=found)
            better = loss < best
            np.copyto(weights, found, where=better)
            best[better], bands[:, better] = loss[better], 0
            bands[layer, better] = 1
        return weights, bands

    def _banded(
        self, add_kernel: AddKernel, layers: int, y: Floats, parts: Folds, context: FitContext
    ) -> tuple[Floats, Floats]:
        kernels = np.zeros((layers, len(y), len(y)), dtype=np.float32)
        for layer, kernel in enumerate(kernels):
            add_kernel(kernel, layer)
        return banded_ridge(kernels, y, parts, self.draws, context.seed, context.device)


# (total [n, n], layer, share) -> total, to which ``share`` times the layer's inner products were added.
AddKernel = Callable[..., Floats]


@dataclass(frozen=True)
class FittedRidge:
    """What ``fit`` returns (see ``brainbench.Fitted``).

    layers: how the tokens of each layer are pooled and scaled; features: those that it was fitted to; images: [n], the fitted
    images' rows of them; trials: [n], of each; weights: [n, V]; bands: [L, V]; mean, sd: [V], of the responses.
    """

    layers: tuple[PooledLayer, ...]
    features: Features
    images: Rows
    trials: Rows
    weights: Floats
    bands: Floats
    mean: Floats
    sd: Floats
    selectors: Selectors | None = None
    history: Sequence[Mapping[str, float]] = ()
    notes: Sequence[str] = ()

    def predict(self, features: Features, stimuli: Rows) -> Floats:
        """Predicted responses [m, V], in the units of the measured ones, to the stimuli with these row numbers.

        Reads the tokens of the fitted images again, block by block.
        """
        total = np.zeros((len(stimuli), len(self.mean)), dtype=np.float32)
        shared = np.zeros((len(stimuli), len(self.images)), dtype=np.float32)
        for layer, band in zip(self.layers, self.bands, strict=True):
            read = np.flatnonzero(band)
            if not len(read):
                continue
            kernel = layer.kernel(features, stimuli, self.features, self.images, self.trials)
            # What all voxels read alike takes one product for all layers.
            if (band == band[0]).all():
                shared += kernel * band[0]
            else:
                self._respond(total, kernel, read, band)
        if shared.any():
            self._respond(total, shared, np.arange(len(self.mean)), np.ones_like(self.mean))
        total *= self.sd
        total += self.mean
        return total

    def _respond(self, total: Floats, kernel: Floats, voxels: Rows, band: Floats) -> None:
        for start in range(0, len(voxels), _VOXELS):
            some = voxels[start : start + _VOXELS]
            total[:, some] += kernel @ (self.weights[:, some] * band[some])

    def parameters(self) -> dict[str, Tensor]:
        """Enough to predict again beside the features: weights, bands, the fitted images with their trials, and every scale."""
        arrays: dict[str, Floats | Rows] = {
            "weights": self.weights, "bands": self.bands, "images": self.images, "trials": self.trials,
            "responses.mean": self.mean, "responses.sd": self.sd,
        }  # fmt: skip
        for layer in self.layers:
            arrays |= {f"tokens.{layer.layer}.mean": layer.mean, f"tokens.{layer.layer}.sd": layer.sd}
        return {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in arrays.items()}
