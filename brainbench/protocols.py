"""The protocols that a plugin's objects follow. A card's loader returns one of these; no subclassing is needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from brainbench.types import (
    Cell,
    Device,
    Features,
    FitContext,
    Labels,
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
    """A frozen network that returns the tokens of its layers."""

    layers: Sequence[str]
    """L names, early to late."""
    module: nn.Module | None
    """The network, which brainbench moves to a device, switches to eval mode and hashes. None if there is no module."""

    def preprocess(self, image: Image.Image) -> Tensor:
        """Convert an RGB image to the network's input, [3, H, W]. Called from several threads."""
        ...

    def tokens(self, batch: Tensor) -> Tokens:
        """Return the tokens of a batch [B, 3, H, W] on the network's device, in the order of ``layers``.

        They carry gradients wherever torch records them, which ``brainbench tune`` needs.
        """
        ...


@runtime_checkable
class JointBackbone(Protocol):
    """Several backbones that are read in one pass, e.g. the time steps of one diffusion model.

    Made by ``BackboneCard.joint(names=..., weights=..., settings=...)``, where names are those of the wanted cards.
    """

    layers: Mapping[str, Sequence[str]]
    """Card name -> its layers, early to late."""
    module: nn.Module | None
    """As in ``Backbone``."""

    def preprocess(self, image: Image.Image) -> Tensor:
        """Convert an RGB image to the network's input, [3, H, W]."""
        ...

    def tokens(self, batch: Tensor) -> Mapping[str, Tokens]:
        """Return the tokens of a batch [B, 3, H, W], by card name."""
        ...


@runtime_checkable
class Fitted(Protocol):
    """A fitted encoder."""

    selectors: Selectors | None
    """What each voxel reads. None if the encoder has no selectors."""
    history: Sequence[Mapping[str, float]]
    """Course of the fit, one mapping per epoch (step, loss, val_r2 ...)."""
    notes: Sequence[str]
    """Decisions that the fit made by itself, one sentence each, copied into the record."""

    def predict(self, features: Features, stimuli: np.ndarray) -> np.ndarray:
        """Return the predicted responses [n, V] to the stimuli with these row numbers."""
        ...

    def parameters(self) -> Mapping[str, Tensor]:
        """Return every tensor needed to predict again, by name. Stored as safetensors."""
        ...


@runtime_checkable
class Aligning(Protocol):
    """A fitted encoder that can return its aligned tokens, for metrics that need ``aligned``."""

    def aligned(self, features: Features) -> Features | None:
        """Return every layer's tokens in the same D channels. None if this fit aligns no channels."""
        ...


@runtime_checkable
class Encoder(Protocol):
    """A map from tokens to responses, before it is fitted."""

    def fit(self, features: Features, responses: Responses, context: FitContext) -> Fitted:
        """Fit on the train split and select on val. Must not read the test split."""
        ...


@runtime_checkable
class Restoring(Protocol):
    """An encoder that can turn the parameters of one of its fits back into a fit, as ``brainbench predict`` needs."""

    def restore(self, parameters: Mapping[str, Tensor], features: Features, device: Device) -> Fitted:
        """Return the fit whose ``parameters()`` these are. It predicts what the fit predicted, to within 1e-5.

        features: the same backbone's tokens of any images, or, if the encoder's card says ``rereads``, of the images that it
        was fitted to. The selectors may be None and the history empty. Raises DataError if the parameters are not those of this
        encoder, or not of these layers.
        """
        ...


@runtime_checkable
class Metric(Protocol):
    """A metric that scores one job."""

    def score(self, inputs: MetricInputs) -> Score:
        """Score one job. An undefined score is ``Score(not_applicable=reason)``, never zero."""
        ...


@runtime_checkable
class RecordsMetric(Protocol):
    """A metric over the records of a board, for a card that needs ``records``."""

    def score(self, cells: Sequence[Cell]) -> Sequence[Score]:
        """Return one Score per cell, in order. All cells share one version of a dataset and one split per subject."""
        ...


@runtime_checkable
class Dataset(Protocol):
    """Stimuli, and the responses measured while subjects saw them."""

    subjects: Sequence[str]
    """Names of the subjects."""
    version: str
    """Changes whenever the content does."""
    provides: frozenset[str]
    """What it has, of responses, rois, coordinates, masks, dissimilarities, noise_ceiling, labels."""

    def stimuli(self, subject: str) -> Stimuli:
        """Return the images that this subject saw."""
        ...

    def responses(self, subject: str) -> Responses | None:
        """Return this subject's responses. None if the dataset has no responses."""
        ...

    def masks(self, subject: str) -> Masks | None:
        """Return per-pixel classes of this subject's stimuli. None if the dataset has no masks."""
        ...

    def dissimilarities(self, subject: str) -> np.ndarray | None:
        """Return the measured dissimilarities [S, S] between the stimuli. None if the dataset has none.

        Subjects who saw the same images in the same order give one another a noise ceiling.
        """
        ...


@runtime_checkable
class Labelled(Protocol):
    """A dataset whose images have classes: ``provides`` has ``labels``, and ``brainbench tune`` can use it."""

    def labels(self, subject: str) -> Labels:
        """Return the class of each of this subject's stimuli."""
        ...


@runtime_checkable
class Surveyed(Protocol):
    """A dataset that can describe a subject's responses without preparing their values."""

    def survey(self, subject: str) -> Responses | None:
        """Like ``Dataset.responses``, but the values are NaN and allocate nothing. Writes at most small files."""
        ...


@runtime_checkable
class Distinguished(Protocol):
    """A dataset that tells at little cost when one subject's data or split change, so that ``version`` need not."""

    def content(self, subject: str) -> str:
        """Return a text that changes whenever this subject's data or split do. Asked for every subject in each run."""
        ...
