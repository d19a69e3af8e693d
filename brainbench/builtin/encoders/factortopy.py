"""FactorTopy: every voxel selects space, layer, scale and channels, smoothly over the cortex (section 3.1, Listing 1)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import sqrt
from typing import Any

import numpy as np
import torch
from torch import Generator, Tensor, nn

from brainbench import DataError, Features, FitContext, Responses, Selectors
from brainbench.fitting import (
    RECIPES,
    SELECTORS,
    ChannelAlign,
    ClosedReadOut,
    EncoderModel,
    FittedModel,
    FreeSelectors,
    Recipe,
    TopologicalSelectors,
    TrainingData,
    blurred,
    close,
    entropy_penalty,
    evaluating,
    fit_model,
    images_needed,
    layer_likeness,
    load_training_data,
    one_grid,
    read_out,
    read_out_loss,
    restore_model,
)

# Standard deviation of an untrained voxel's prediction, in units of its responses. Not smaller: selectors would settle, all
# voxels alike, before there are weights to select for.
INITIAL_SD = 0.25

NO_COORDINATES = "no coordinates: the selectors are free for every voxel, as in factortopy/no-topology"


@dataclass(frozen=True)
class Variant:
    """What sets a variant of Table 16 apart.

    topology: selectors are smooth functions of the coordinates, not free for every voxel; selectors: those there are, an
    average stands for the others; samples: places that a voxel reads.
    """

    topology: bool = True
    selectors: tuple[str, ...] = SELECTORS
    samples: int = 1


VARIANTS = {
    "factortopy": Variant(),
    "factortopy/no-topology": Variant(topology=False),
    "factortopy/no-layer": Variant(selectors=("space", "scale")),
    "factortopy/no-space": Variant(selectors=("layer", "scale")),
    "factortopy/no-scale": Variant(selectors=("space", "layer")),
    "factortopy/multi-sample": Variant(samples=3),
}


def load(*, variant: str, settings: Mapping[str, Any]) -> FactorTopy:
    """The encoder of the card of this name."""
    return FactorTopy(
        RECIPES[settings["recipe"]].with_settings(settings),
        VARIANTS[variant],
        separate=settings["align"] == "separate",
        closed=settings["channels"] == "closed" and settings["recipe"] != "paper",
        principal=settings["principal"],
    )


@dataclass(frozen=True)
class FactorTopy:
    """The encoder.

    separate: whether global tokens have a channel align of their own; closed: whether the channel weights that predict are
    solved for once the selectors are found; principal: channels kept of a layer then, 0 for as many as are affordable.
    """

    recipe: Recipe
    variant: Variant
    separate: bool = False
    closed: bool = False
    principal: int = 0

    def fit(self, features: Features, responses: Responses, context: FitContext) -> FittedModel:
        """Fit on train, choose on val; channel weights in closed form are those of train and val together.

        Without coordinates the selectors are free, and a note says so.

        Raises DataError when coordinates, tokens or responses cannot be used, or when the fit diverges.
        """
        one_grid(features)
        data = load_training_data(
            features, responses, ("local", "global"), memory=self.recipe.memory, device=context.device
        )
        coordinates = _coordinates(responses, data.voxels) if self.variant.topology else None
        model = self._model(features, data.voxels, coordinates, context.seed)
        fitted = fit_model(model, data, self.recipe, _inside(context, "selectors"))
        if self.closed:
            # Whatever the learned weights are worth, others predict now.
            notes = (*data.notes, *self._close(model, data, features, _inside(context, "channels")))
            fitted = replace(fitted, units=data.units, notes=notes)
        shown = _some(data, images_needed(max(features.channels)))
        return replace(
            fitted,
            selectors=model.selected(features.layers, lambda layer: data.layer_of(layer, shown, context.device)),
            notes=(*fitted.notes, *((NO_COORDINATES,) if self.variant.topology and coordinates is None else ())),
        )

    def restore(self, parameters: Mapping[str, Tensor], features: Features, device: str) -> FittedModel:
        """Return the fit with these parameters, for features of the same layers; raises DataError if they are not its own."""
        coordinates = parameters.get("model.selectors.coordinates")

        def model(voxels: int) -> FactorTopyModel:
            made = self._model(features, voxels, coordinates)
            if self.closed:
                made.solved = ClosedReadOut.shaped(
                    features.channels, self.recipe.dim, made.grid, parameters, "model.solved."
                )
            return made

        return restore_model(model, parameters, features, device)

    def _model(self, features: Features, voxels: int, coordinates: Tensor | None, seed: int = 0) -> FactorTopyModel:
        return FactorTopyModel(
            features.channels,
            one_grid(features),
            voxels,
            coordinates,
            self.recipe,
            torch.Generator().manual_seed(seed),
            self.variant,
            separate=self.separate,
        )

    def _close(
        self, model: FactorTopyModel, data: TrainingData, features: Features, context: FitContext
    ) -> tuple[str, ...]:
        with evaluating(model):
            model.solved, notes = close(
                data,
                features.channels,
                model.grid,
                model.selectors(),
                context,
                align=model.align,
                seen=model.seen,
                kept=self.principal,
                memory=self.recipe.memory,
            )
        return notes


class FactorTopyModel(EncoderModel):
    """Listing 1 on cached tokens.

    channels: C_l of every layer; grid: (H, W); coordinates: [V, 3], or None for free selectors. The places of a token batch
    are the H*W of the grid, row by row, and the global token. Without a space selector the local tokens are averaged over
    the grid first, which leaves a grid of one place.
    """

    def __init__(
        self,
        channels: Sequence[int],
        grid: tuple[int, int],
        voxels: int,
        coordinates: Tensor | None,
        recipe: Recipe,
        generator: Generator,
        variant: Variant = VARIANTS["factortopy"],
        *,
        separate: bool = False,
    ) -> None:
        super().__init__(voxels, recipe.dim)
        self.chosen, self.scale_penalty = variant.selectors, recipe.scale_penalty
        self.grid, self.reduce = grid if "space" in self.chosen else (1, 1), recipe.reduce
        layers = len(channels)
        self.align = ChannelAlign(channels, recipe.dim, generator, separate=separate)
        self.selectors: TopologicalSelectors | FreeSelectors = (
            FreeSelectors(voxels, layers, variant.samples, self.chosen)
            if coordinates is None
            else TopologicalSelectors(coordinates, layers, generator, variant.samples, self.chosen)
        )
        gain = recipe.dim if recipe.reduce == "mean" else 1
        self.channel = nn.Parameter(
            torch.randn(voxels, recipe.dim, generator=generator) * (gain * INITIAL_SD / sqrt(recipe.dim))
        )
        self.constant = nn.Parameter(torch.zeros(voxels))
        self.solved: ClosedReadOut | None = None

    def forward(self, tokens: Sequence[Tensor]) -> Tensor:
        """Per layer [B, H*W + 1, C_l] -> responses [B, V]."""
        return self.predictor()(tokens)

    def predictor(self) -> Callable[[Sequence[Tensor]], Tensor]:
        """``forward``, with what every voxel selects computed once; with the weights that were solved for, if they were."""
        selection, weights, solved = self.selectors(), self._weights(), self.solved
        if solved is not None:
            return lambda tokens: solved.responses(self.seen(tokens), self.align, selection)
        return lambda tokens: read_out(self._aligned(tokens), self.grid, selection, weights) + self.constant

    def loss(self, tokens: Sequence[Tensor], observed: Tensor, penalty: float, blur: float = 0.0) -> Tensor:
        """Smooth L1 from local tokens blurred over ``blur`` places, plus ``penalty`` times what holds selectors undecided."""
        selection = self.selectors()
        aligned = blurred(self._aligned(tokens), self.grid, blur)
        loss = read_out_loss(aligned, self.grid, selection, self._weights(), self.constant, observed)
        if self.scale_penalty:
            loss = loss + penalty * self.scale_penalty * (selection.scale - 0.5).square().mean()
        return loss + penalty * entropy_penalty(selection.layer)

    def _aligned(self, tokens: Sequence[Tensor]) -> Tensor:
        aligned: Tensor = self.align(self.seen(tokens))
        return aligned

    def seen(self, tokens: Sequence[Tensor]) -> Sequence[Tensor]:
        """Tokens as the voxels can read them: without a space selector, the mean over the grid and the global token."""
        if "space" in self.chosen:
            return tokens
        return [torch.cat([t[:, :-1].mean(dim=1, keepdim=True), t[:, -1:]], dim=1) for t in tokens]

    def _weights(self) -> Tensor:
        return self.channel / self.dim if self.reduce == "mean" else self.channel

    def selected(self, layers: Sequence[str], tokens: Callable[[int], Tensor]) -> Selectors:
        """What every voxel reads, as far as it selects; of several places their mean.

        layers: their names; tokens: number of a layer -> its tokens of some images, [n, P, C_l], to tell how alike the layers
        are; asked for layer by layer, so that those of one are in memory at a time.
        """

        def seen(number: int) -> Tensor:
            return self.seen([tokens(number)])[0]

        numbers = range(len(layers))
        with evaluating(self):
            space, layer, scale = self.selectors()
            aligned = torch.stack([self.align.layer(number, seen(number)).cpu() for number in numbers])
            correlation, likeness = layer_likeness(map(seen, numbers), aligned, self.channel)
        found = {"space": space.mean(dim=1), "layer": layer, "scale": scale}
        return Selectors(
            layers=tuple(layers),
            channel=_array(self.channel),
            correlation=correlation,
            likeness=likeness,
            **{name: _array(found[name]) for name in self.chosen},
        )


def _inside(context: FitContext, folder: str) -> FitContext:
    """The same context, with a folder inside its own."""
    return context if context.folder is None else replace(context, folder=context.folder / folder)


def _some(data: TrainingData, count: int) -> np.ndarray:
    """At most ``count`` of the train stimuli, spread over all of them."""
    shown = np.unique(data.stimulus[data.train])
    return shown[:: max(1, -(-len(shown) // count))]


def _coordinates(responses: Responses, voxels: int) -> Tensor | None:
    if responses.coordinates is None:
        return None
    coordinates = torch.tensor(responses.coordinates, dtype=torch.float32)
    if coordinates.shape != (voxels, 3) or not bool(coordinates.isfinite().all()):
        raise DataError(
            f"subject {responses.subject}: coordinates must be {voxels} x 3 finite numbers, found "
            f"{' x '.join(map(str, coordinates.shape))}; correct them, or use factortopy/no-topology"
        )
    return coordinates


def _array(tensor: Tensor) -> np.ndarray:
    return tensor.detach().cpu().contiguous().numpy().copy()
