"""What a plugin's objects can do. A card's loader returns one of these; nothing has to be subclassed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from brainbench.types import (
    Cell,
    Features,
    FitContext,
    Masks,
    MetricInputs,
    Responses,
    Score,
    Selectors,
    Stimuli,
    Tokens,
)

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image
    from torch import Tensor, nn


@runtime_checkable
class Backbone(Protocol):
    """A frozen network that gives tokens.

    layers: L names, early to late; module: the network, so that brainbench can move it to a device, put it in eval mode and
    hash its weights, or None if there is none.
    """

    layers: Sequence[str]
    module: nn.Module | None

    def preprocess(self, image: Image.Image) -> Tensor:
        """One RGB image -> [3, H, W], the input of the network. Called from several threads."""
        ...

    def tokens(self, batch: Tensor) -> Tokens:
        """[B, 3, H, W] on the network's device -> the tokens of every layer, in the order of ``layers``."""
        ...


@runtime_checkable
class JointBackbone(Protocol):
    """Several backbones read in one pass, e.g. the time steps of one diffusion model.

    Made by ``BackboneCard.joint(names=..., weights=..., settings=...)``, names: those of the cards that are wanted.
    layers: name of the card -> its layers; module, preprocess: as of a Backbone.
    """

    layers: Mapping[str, Sequence[str]]
    module: nn.Module | None

    def preprocess(self, image: Image.Image) -> Tensor:
        """One RGB image -> [3, H, W]."""
        ...

    def tokens(self, batch: Tensor) -> Mapping[str, Tokens]:
        """[B, 3, H, W] -> the tokens of each card, by name."""
        ...


@runtime_checkable
class Fitted(Protocol):
    """A fitted encoder.

    selectors: what each voxel reads, or None; history: one mapping of figures per epoch (step, loss, val_r2 ...);
    notes: what the fit decided on its own, one sentence each, copied into the record.
    """

    selectors: Selectors | None
    history: Sequence[Mapping[str, float]]
    notes: Sequence[str]

    def predict(self, features: Features, stimuli: np.ndarray) -> np.ndarray:
        """Predicted responses [n, V] to the stimuli with these row numbers."""
        ...

    def parameters(self) -> Mapping[str, Tensor]:
        """Everything needed to predict again, by name; stored as safetensors."""
        ...


@runtime_checkable
class Aligning(Protocol):
    """A fitted encoder that can show the tokens as it aligned them, for metrics that need ``aligned``."""

    def aligned(self, features: Features) -> Features | None:
        """The tokens of every layer in the same D channels; None where this fit has no such thing."""
        ...


@runtime_checkable
class Encoder(Protocol):
    """A map from tokens to responses that can be fitted."""

    def fit(self, features: Features, responses: Responses, context: FitContext) -> Fitted:
        """Fit on the rows of the train split, choose on val; the test split is not to be touched."""
        ...


@runtime_checkable
class Metric(Protocol):
    """A figure of merit for one job."""

    def score(self, inputs: MetricInputs) -> Score:
        """Score one job; a figure that cannot be had is ``Score(not_applicable=reason)``, never zero."""
        ...


@runtime_checkable
class RecordsMetric(Protocol):
    """A figure of merit over the records of a board, for a card that needs ``records``."""

    def score(self, cells: Sequence[Cell]) -> Sequence[Score]:
        """One Score a cell, in their order; the cells are all of one version of a dataset and one split a subject."""
        ...


@runtime_checkable
class Dataset(Protocol):
    """Stimuli, and what was measured while subjects saw them.

    subjects: names; version: changes whenever the content does; provides: which of responses, rois, coordinates, masks,
    dissimilarities, noise_ceiling there are.
    """

    subjects: Sequence[str]
    version: str
    provides: frozenset[str]

    def stimuli(self, subject: str) -> Stimuli:
        """The images this subject saw."""
        ...

    def responses(self, subject: str) -> Responses | None:
        """This subject's responses, or None for a set without any."""
        ...

    def masks(self, subject: str) -> Masks | None:
        """Per-pixel classes of this subject's stimuli, if there are any."""
        ...

    def dissimilarities(self, subject: str) -> np.ndarray | None:
        """[S, S] measured dissimilarities between the stimuli, if there are any.

        Subjects who saw the same images in the same order bound one another's: they give a noise ceiling.
        """
        ...


@runtime_checkable
class Surveyed(Protocol):
    """A dataset that can say everything about a subject's responses before it prepares their values."""

    def survey(self, subject: str) -> Responses | None:
        """As ``Dataset.responses``, but the values are NaN and take no room; what it writes is small."""
        ...
