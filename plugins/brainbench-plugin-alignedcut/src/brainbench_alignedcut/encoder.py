"""The encoder ``alignedcut``: the layers of one network, or of several, in one channel space that the brain guides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
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
    Standardisation,
    TokenReader,
    load_training_data,
    train,
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
    return AlignedCut(RECIPE.with_settings(settings), terms, settings["grid"])


@dataclass(frozen=True)
class AlignedCut:
    """The encoder. side: of the grid that tokens are read on, 0 for the backbone's own (``common_grid``)."""

    recipe: Recipe
    terms: Terms
    side: int = 0

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
        training = train(model, data, self.recipe, context)
        notes = () if set(features.grids) == {grid} else (f"local tokens are read on a {grid[0]} x {grid[1]} grid",)
        return AlignedFit(
            model=model,
            reader=data.reader,
            units=training.units,
            device=context.device,
            history=training.history,
            notes=(*data.notes, *training.notes, *notes),
            grid=grid,
        )


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
    if "model.draws" not in stored:
        raise DataError(f"{path}: the parameters of another encoder; give those of a fit of alignedcut")
    state = {name.removeprefix("model."): t for name, t in stored.items() if name.startswith("model.")}
    channels = tuple(state[f"align.layers.{i}"].shape[1] for i in range(sum("align" in name for name in state)))
    if channels != tuple(features.channels):
        raise DataError(
            f"{path}: a fit to {len(channels)} layers of {', '.join(map(str, channels))} channels, these features have "
            f"{len(features.channels)} of {', '.join(map(str, features.channels))}; give the features it was fitted to"
        )
    voxels, dim = state["regression.weight"].shape
    model = AlignedCutModel(channels, voxels, dim, Terms())
    model.load_state_dict(state)
    height, width = stored["grid"].tolist()
    return AlignedFit(
        model=model.to(device),
        reader=TokenReader.restored(features.layers, stored),
        units=Standardisation(stored["responses.mean"], stored["responses.sd"]),
        device=device,
        history=(),
        grid=(height, width),
    )
