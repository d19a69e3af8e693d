"""The encoder ``alignedcut``: the layers of one network, or of several, in one channel space that the brain guides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from brainbench import DataError, Features, FitContext, Responses
from brainbench.fitting import (
    AlignedFeatures,
    FittedModel,
    Recipe,
    fit_shared,
    load_training_data,
    restore_model,
)
from brainbench_alignedcut.grids import common_grid, on_grid
from brainbench_alignedcut.model import AlignedCutModel
from brainbench_alignedcut.terms import Terms

# Found on the simulated brains of ``demo``: the paper prints the weights of the terms and none of these.
RECIPE = Recipe(
    steps=3000, batch_size=32, lr=3e-2, schedule="cosine", dim=128, reduce="sum", penalty=0.0, decay=0,
    epoch=50, patience=20, keep=3, weight_decay=0.1,
)  # fmt: skip


def load(*, settings: Mapping[str, Any]) -> AlignedCut:
    """The encoder of card ``alignedcut``."""
    terms = Terms(settings["eigen"], settings["zero_centre"], settings["covariance"], settings["focal"])
    return AlignedCut(RECIPE.with_settings(settings), terms, settings["grid"], settings["channels"] == "closed")


@dataclass(frozen=True)
class AlignedCut:
    """The encoder.

    side: of the grid that tokens are read on, 0 for the backbone's own (``common_grid``); closed: whether beta and eps of every
    voxel are solved for, given the aligned channels.
    """

    recipe: Recipe
    terms: Terms
    side: int = 0
    closed: bool = False

    def fit(self, features: Features, responses: Responses, context: FitContext) -> AlignedFit:
        """Fit on train, choose on val. Raises DataError when tokens or responses cannot be used, or when the fit diverges."""
        grid = common_grid(features, self.side)
        data = load_training_data(
            on_grid(features, grid),
            responses,
            ("local", "global"),
            memory=self.recipe.memory,
            device=context.device,
        )
        generator = torch.Generator().manual_seed(context.seed)
        model = AlignedCutModel(features.channels, data.voxels, self.recipe.dim, self.terms, generator)
        fitted = fit_shared(model, data, self.recipe, context, closed=self.closed)
        notes = () if set(features.grids) == {grid} else (f"local tokens are read on a {grid[0]} x {grid[1]} grid",)
        return AlignedFit(**vars(replace(fitted, notes=(*fitted.notes, *notes))), grid=grid)

    def restore(self, parameters: Mapping[str, Tensor], features: Features, device: str) -> AlignedFit:
        """The fit with these parameters, for features of the same layers; raises DataError if they are not its own."""
        return restored(parameters, features, device)


@dataclass(frozen=True, kw_only=True)
class AlignedFit(FittedModel):
    """A fit that reads every layer on one grid, (H, W), whatever grids the features come on."""

    grid: tuple[int, int]

    def predict(self, features: Features, stimuli: np.ndarray) -> np.ndarray:
        """Predicted responses [n, V] float32, in the units of the measured ones, to the stimuli with these row numbers."""
        return super().predict(on_grid(features, self.grid), stimuli)

    def aligned(self, features: Features) -> AlignedFeatures | None:
        """The tokens V' of every layer, on the grid of the fit."""
        return super().aligned(on_grid(features, self.grid))

    def parameters(self) -> dict[str, Tensor]:
        """Everything needed to predict again: as of any fitted model, and the grid."""
        return super().parameters() | {"grid": torch.tensor(self.grid)}


def restore(path: Path, features: Features, device: str = "cpu") -> AlignedFit:
    """The fit whose parameters are stored at ``path`` (``<key>.safetensors``), for the features it was fitted to.

    Raises DataError when the file cannot be read, is of another encoder, or is of other layers than these.
    """
    try:
        stored = load_file(path)
    except (OSError, SafetensorError) as error:
        raise DataError(
            f"{path}: cannot be read ({' '.join(str(error).split())}); give the .safetensors file beside a record of alignedcut"
        ) from None
    try:
        return restored(stored, features, device)
    except DataError as error:
        raise DataError(f"{path}: {error}") from None


def restored(parameters: Mapping[str, Tensor], features: Features, device: str) -> AlignedFit:
    """The fit with these parameters; raises DataError when they are of another encoder, or of other layers than these."""
    if "model.draws" not in parameters:
        raise DataError("the parameters of another encoder; give those of a fit of alignedcut")
    aligns = (parameters[f"model.align.layers.{i}"] for i in range(sum("model.align" in name for name in parameters)))
    channels = tuple(align.shape[1] for align in aligns)
    if channels != tuple(features.channels):
        raise DataError(
            f"a fit to {len(channels)} layers of {', '.join(map(str, channels))} channels, these features have "
            f"{len(features.channels)} of {', '.join(map(str, features.channels))}; give the features it was fitted to"
        )
    dim = parameters["model.regression.weight"].shape[1]
    fitted = restore_model(lambda voxels: AlignedCutModel(channels, voxels, dim, Terms()), parameters, features, device)
    height, width = parameters["grid"].tolist()
    return AlignedFit(**vars(fitted), grid=(height, width))
