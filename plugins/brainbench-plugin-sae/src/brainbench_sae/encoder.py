"""The encoders: every voxel reads one unit, the one whose series over images is most like its responses.

Shapes: n images, V voxels, L layers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from brainbench import DataError, Features, FitContext, Responses, Selectors
from brainbench_sae.autoencoder import ACTIVATIONS, Autoencoder, neurons
from brainbench_sae.dictionary import Dictionary, find_units
from brainbench_sae.responses import by_image
from brainbench_sae.series import POOLS, Floats, Pool, series
from brainbench_sae.tokens import Rows, held
from brainbench_sae.training import Recipe, loaded, trained, untrained


def load(*, units: str, settings: Mapping[str, Any]) -> Sae:
    """The encoder of a card; units: ``trained``, ``untrained`` or ``neuron``."""
    recipe = None
    if units != "neuron":
        recipe = Recipe(
            settings["kind"],
            settings["rate"],
            settings["k"],
            settings.get("l1", 0.0),
            settings.get("lr", 0.0),
            settings.get("batch", 0),
            settings.get("steps", 0),
        )
    weights = settings.get("weights", "")
    candidates = settings["candidates"] if settings["assign"] == "one-to-one" else 0
    return Sae(units, recipe, settings["pool"], candidates, Path(weights) if weights else None)


@dataclass(frozen=True)
class Sae:
    """One unit a voxel.

    units: where they come from; recipe: None for raw channels; candidates: as in ``find_units``; weights: a folder with the
    layers' autoencoders, None to train them.
    """

    units: str
    recipe: Recipe | None
    pool: Pool
    candidates: int = 0
    weights: Path | None = None

    def fit(self, features: Features, responses: Responses, context: FitContext) -> FittedSae:
        """Train the autoencoders on the train images, choose units and fit regressions on train and val.

        Raises DataError when tokens or responses are not finite, no unit varies, or voxels are more than units where each is to
        have one of its own.
        """
        seen = by_image(responses)
        train = np.unique(responses.stimulus[responses.rows("train")])

        def autoencoder(layer: int) -> Autoencoder:
            if self.recipe is None:
                return neurons(features.channels[layer])
            if self.weights is not None:
                return loaded(self.weights, features, layer)
            if self.units == "untrained":
                return untrained(features.channels[layer], self.recipe, context.seed, layer)
            return trained(
                lambda: held(features, layer, train, context.device), features, layer, train, self.recipe, context
            )

        found, models = find_units(
            autoencoder, features, seen, self.pool, candidates=self.candidates, device=context.device
        )
        readers = {layer: _reader(models[layer], found, layer) for layer in np.unique(found.layer).tolist()}
        one_hot = np.eye(len(features.layers), dtype=np.float32)[found.layer]
        return FittedSae(found, readers, self.pool, Selectors(features.layers, layer=one_hot))

    def restore(self, parameters: Mapping[str, Tensor], features: Features, device: str) -> FittedSae:
        """Return the fit with these parameters. Raises DataError if they are not of this encoder, or of other layers."""
        return restored(parameters, features)


@dataclass(frozen=True)
class Reader:
    """What the voxels of one layer read. units: [m], numbers of the units; columns: [m], which codes of the model they are."""

    model: Autoencoder
    units: Rows
    columns: Rows


def _reader(model: Autoencoder, found: Dictionary, layer: int) -> Reader:
    units = np.unique(found.unit[found.layer == layer])
    if model.activation == "topk":
        return Reader(model, units, units)
    return Reader(model.only(torch.from_numpy(units)), units, np.arange(len(units)))


@dataclass(frozen=True)
class FittedSae:
    """What ``fit`` returns (see ``brainbench.Fitted``). readers: layer -> what its voxels read."""

    dictionary: Dictionary
    readers: Mapping[int, Reader]
    pool: Pool
    selectors: Selectors | None = None
    history: Sequence[Mapping[str, float]] = ()
    notes: Sequence[str] = ()

    def series(self, features: Features, layer: int, stimuli: Rows) -> Floats:
        """Return the series [n, m] of the units that voxels read in a layer, in the order of ``readers[layer].units``."""
        reader = self.readers[layer]
        return series(reader.model, features, layer, stimuli, self.pool)[:, reader.columns]

    def predict(self, features: Features, stimuli: Rows) -> Floats:
        """Return the predicted responses [n, V], in the units of the measured ones, to the stimuli with these row numbers."""
        found = self.dictionary
        result = np.empty((len(stimuli), len(found.unit)), np.float32)
        for layer, reader in self.readers.items():
            here = found.layer == layer
            column = np.searchsorted(reader.units, found.unit[here])
            result[:, here] = self.series(features, layer, stimuli)[:, column]
        return result * found.slope + found.intercept

    def parameters(self) -> dict[str, Tensor]:
        """Return the dictionary, and of the autoencoders what is needed to predict again: the encoders of the chosen units."""
        found = self.dictionary
        arrays: dict[str, Any] = {
            "layer": found.layer, "unit": found.unit, "similarity": found.similarity, "intercept": found.intercept,
            "slope": found.slope, "highest": found.highest, "mean": found.mean, "quality": found.quality,
            "facts": np.array([found.images, POOLS.index(self.pool)]),
        }  # fmt: skip
        for layer, nearest in enumerate(found.nearest):
            arrays |= {f"nearest.{layer}": nearest, f"nearest_similarity.{layer}": found.nearest_similarity[layer]}
        for layer, reader in self.readers.items():
            model = reader.model
            facts = np.array([ACTIVATIONS.index(model.activation), model.k])
            arrays |= {f"layers.{layer}.{name}": value for name, value in _encoding(model).items()}
            arrays |= {f"layers.{layer}.units": reader.units, f"layers.{layer}.activation": facts}
        return {name: torch.as_tensor(np.ascontiguousarray(array)) for name, array in arrays.items()}


def _encoding(model: Autoencoder) -> dict[str, Any]:
    """The tensors of an autoencoder that codes depend on."""
    return {name: tensor.detach().numpy() for name, tensor in model.state_dict().items() if name != "decoder"}


def restored(parameters: Mapping[str, Tensor], features: Features) -> FittedSae:
    """Return the fit with these parameters, for features of the same layers.

    Raises DataError if they are not of this encoder, or of other layers.
    """
    if "unit" not in parameters or "nearest.0" not in parameters:
        raise DataError("the parameters of another encoder; give those of a fit of sae")
    kept = {name: tensor.numpy() for name, tensor in parameters.items()}
    layers = sum(name.startswith("nearest.") for name in kept)
    readers = {layer: _restored(kept, layer) for layer in np.unique(kept["layer"]).tolist()}
    if layers != len(features.layers) or any(
        reader.model.channels != features.channels[layer] for layer, reader in readers.items()
    ):
        raise DataError(
            f"a fit to {layers} layers, these features have {len(features.layers)} of {', '.join(map(str, features.channels))} "
            "channels; give the features that it was fitted to"
        )
    images, pool = kept["facts"].tolist()
    found = Dictionary(
        **{
            name: kept[name]
            for name in ("layer", "unit", "similarity", "intercept", "slope", "highest", "mean", "quality")
        },
        nearest=tuple(kept[f"nearest.{layer}"] for layer in range(layers)),
        nearest_similarity=tuple(kept[f"nearest_similarity.{layer}"] for layer in range(layers)),
        images=images,
    )
    one_hot = np.eye(layers, dtype=np.float32)[found.layer]
    return FittedSae(found, readers, POOLS[pool], Selectors(features.layers, layer=one_hot))


def _restored(kept: Mapping[str, Any], layer: int) -> Reader:
    name = f"layers.{layer}"
    activation, k = kept[f"{name}.activation"].tolist()
    units, encoder = kept[f"{name}.units"], kept[f"{name}.encoder"]
    # Tied, since predicting reads codes alone.
    model = Autoencoder(encoder.shape[1], encoder.shape[0], ACTIVATIONS[activation], k=k)
    model.load_state_dict({part: torch.from_numpy(kept[f"{name}.{part}"]) for part in model.state_dict()})
    columns = units if model.activation == "topk" else np.arange(len(units))
    return Reader(model.requires_grad_(False), units, columns)
