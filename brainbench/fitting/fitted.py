"""A fitted encoder: a trained model with the scales its tokens and responses were standardised by."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from brainbench.errors import DataError
from brainbench.fitting.aligned_features import AlignedFeatures
from brainbench.fitting.engine import train
from brainbench.fitting.model import EncoderModel
from brainbench.fitting.prediction import predictions
from brainbench.fitting.recipes import Recipe
from brainbench.fitting.standardisation import Standardisation
from brainbench.fitting.token_reader import TokenReader
from brainbench.fitting.training_data import TrainingData
from brainbench.types import Features, FitContext, Selectors


@dataclass(frozen=True)
class FittedModel:
    """What an encoder's ``fit`` returns (see ``brainbench.Fitted``).

    model: trained, on ``device``; reader, units: how it was told tokens and responses; the rest as in ``brainbench.Fitted``.
    """

    model: EncoderModel
    reader: TokenReader
    units: Standardisation
    device: str
    history: Sequence[Mapping[str, float]]
    selectors: Selectors | None = None
    notes: Sequence[str] = ()

    def predict(self, features: Features, stimuli: np.ndarray) -> np.ndarray:
        """Predicted responses [n, V] float32, in the units of the measured ones, to the stimuli with these row numbers."""

        def tokens_of(rows: np.ndarray) -> list[Tensor]:
            return [layer.to(self.device) for layer in self.reader.read(features, rows)]

        result = np.empty((len(stimuli), self.model.voxels), dtype=np.float32)
        for trials, predicted in predictions(self.model, stimuli, tokens_of):
            result[trials] = self.units.undo(predicted).cpu().numpy()
        return result

    def aligned(self, features: Features) -> AlignedFeatures | None:
        """The tokens of every layer as the channel align gives them; None for a model without one."""
        align = self.model.channel_align
        return None if align is None else AlignedFeatures(features, self.reader, align, self.device)

    def parameters(self) -> dict[str, Tensor]:
        """Everything needed to predict again, by name: the model's state, and the scales of tokens and responses."""
        scales = {**self.reader.parameters(), "responses.mean": self.units.mean, "responses.sd": self.units.sd}
        state = {f"model.{name}": tensor for name, tensor in self.model.state_dict().items()}
        return {name: tensor.detach().cpu().contiguous() for name, tensor in (state | scales).items()}


def fit_model(model: EncoderModel, data: TrainingData, recipe: Recipe, context: FitContext) -> FittedModel:
    """Train ``model`` (see ``train``); returns it with everything that its predictions need."""
    training = train(model, data, recipe, context)
    return FittedModel(
        model=model,
        reader=data.reader,
        units=training.units,
        device=context.device,
        history=training.history,
        notes=(*data.notes, *training.notes),
    )


def restore_model(
    make: Callable[[int], EncoderModel], parameters: Mapping[str, Tensor], features: Features, device: str
) -> FittedModel:
    """Return the fit whose ``FittedModel.parameters`` these are.

    make: number of voxels -> a model to load the state into; features: of the layers that it was fitted to. Raises DataError if
    the parameters are not those of such a model on such layers.
    """
    state = {name.removeprefix("model."): t for name, t in parameters.items() if name.startswith("model.")}
    try:
        units = Standardisation(parameters["responses.mean"], parameters["responses.sd"])
        reader = TokenReader.restored(features.layers, parameters)
        model = make(len(units.mean))
        model.load_state_dict(state)
    except (KeyError, RuntimeError) as problem:
        reason = " ".join(str(problem).split())
        shape = f"{len(features.layers)} layers of {', '.join(map(str, features.channels))} channels"
        raise DataError(f"the parameters are not those of this encoder on {shape}: {reason[:300]}") from problem
    return FittedModel(model=model.to(device), reader=reader, units=units, device=device, history=())
