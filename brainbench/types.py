"""The values that the stages of a run pass on. Light to import: arrays and tensors appear only in annotations.

Shapes: B images in a batch, S stimuli, R rows of responses, N test responses, V voxels, L layers, C_l channels of layer l,
H_l x W_l its grid, D aligned channels.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image
    from torch import Tensor

Device = str  # "cpu", "cuda", "cuda:1"
Grid = Literal["8", "native"]
Split = Literal["train", "val", "test"]


@dataclass(frozen=True)
class Weights:
    """The weights that a backbone is asked to load."""

    kind: Literal["release", "untrained", "file", "tuned"]
    """``release``: those that its card names; ``untrained``: its library's own initialisation; ``file``: a local file or
    folder; ``tuned``: those that ``brainbench tune`` made. Loaders never see the last kind: brainbench asks for an untrained
    network and loads the tuned state dict into it."""
    path: Path | None = None
    """Where the weights are. None if untrained, or if the plugin finds its release itself."""


@dataclass(frozen=True)
class Tokens:
    """The tokens of one batch, layer by layer."""

    local_tokens: tuple[Tensor, ...]
    """One [B, C_l, H_l, W_l] per layer."""
    global_tokens: tuple[Tensor, ...]
    """One [B, C_l] per layer."""

    @classmethod
    def from_local(cls, local_tokens: Sequence[Tensor]) -> Tokens:
        """Make the tokens of a network without a class token: global tokens are averages over space (paper, appendix D)."""
        return cls(tuple(local_tokens), tuple(t.mean(dim=(2, 3)) for t in local_tokens))

    @classmethod
    def from_sequences(cls, sequences: Sequence[Tensor], grid: tuple[int, int]) -> Tokens:
        """Make the tokens of a vision transformer from one [B, P + H*W, C] per layer.

        The class token comes first and the patches last, row by row. Tokens between them (registers) are dropped. With
        P = 0 the global token is the average over space.
        """
        height, width = grid
        local, glob = [], []
        for sequence in sequences:
            patches = sequence[:, sequence.shape[1] - height * width :]
            local.append(patches.transpose(1, 2).reshape(len(sequence), -1, height, width))
            has_class = sequence.shape[1] > height * width
            glob.append(sequence[:, 0] if has_class else patches.mean(dim=1))
        return cls(tuple(local), tuple(glob))


@dataclass(frozen=True)
class Stimuli:
    """The images that one subject saw, in the order of the feature store's rows."""

    ids: tuple[str, ...]
    """S unique names."""
    digests: tuple[str, ...]
    """S sha256 digests of the images' content."""
    open: Callable[[int], Image.Image]
    """Opens the image at an index, as RGB."""
    captions: tuple[str, ...] | None = None
    """S texts, if the dataset has captions."""
    unmeasured: tuple[int, ...] = ()
    """Indices of images without measured responses, for which predictions are wanted."""

    @cached_property
    def key(self) -> str:
        """Content key of the images' bytes and their order. Names do not count."""
        return hashlib.sha256("\n".join(self.digests).encode()).hexdigest()

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True)
class Masks:
    """Per-pixel classes of the stimuli."""

    classes: tuple[str, ...]
    """Class names; a pixel's value is an index into them, or 255 for no class."""
    load: Callable[[int], np.ndarray]
    """Loads the mask of the stimulus at an index, uint8 [H, W]."""


@dataclass(frozen=True)
class Labels:
    """What the stimuli show: one class each."""

    classes: tuple[str, ...]
    """Class names, at least two."""
    values: np.ndarray
    """[S], indices into ``classes``."""
    groups: tuple[str, ...] | None = None
    """S names. Stimuli of one group, such as photographs of one lesion, are never on two sides of a split. None: each is a
    group of its own."""
    split: np.ndarray | None = None
    """[S] of ``train``, ``val`` or ``test``, if the dataset gives a split."""


@dataclass(frozen=True)
class Surface:
    """The positions of the voxels on a cortical mesh."""

    mesh: str
    """Name of the mesh, e.g. ``fsaverage5``."""
    hemisphere: np.ndarray
    """[V] of ``left`` or ``right``."""
    vertex: np.ndarray
    """[V] vertex indices within the hemisphere, from 0."""


@dataclass(frozen=True)
class Responses:
    """One subject's responses."""

    subject: str
    """Name of the subject."""
    values: np.ndarray
    """[R, V] float32; a row is a single trial or an average over repeats."""
    stimulus: np.ndarray
    """[R] indices into the subject's ``Stimuli``."""
    split: np.ndarray
    """[R] of ``train``, ``val`` or ``test``."""
    key: str
    """sha256 of the values and of what is fitted or scored with them."""
    coordinates: np.ndarray | None = None
    """[V, 3] in mm."""
    rois: Mapping[str, np.ndarray] = field(default_factory=dict)
    """ROI name -> bool [V]."""
    noise_ceiling: np.ndarray | None = None
    """[V], explainable share of the variance, 0 to 1."""
    surface: Surface | None = None
    """Where the voxels are on a mesh, if known."""
    notes: tuple[str, ...] = ()
    """What was dropped or decided while loading, one sentence each, copied into the record."""
    dropped: tuple[int, ...] = ()
    """Indices, in the source data, of the voxels that were left out."""
    truth: Selectors | None = None
    """What the voxels of a simulated brain really read."""
    unprepared: int = 0
    """Of a survey: bytes that preparing the values will add to the cache."""

    def rows(self, split: Split) -> np.ndarray:
        """Return the row numbers of one split, ascending."""
        import numpy as np

        return np.flatnonzero(self.split == split)

    @cached_property
    def split_hash(self) -> str:
        """sha256 of the assignment of stimuli to splits."""
        pairs = sorted({f"{s}:{p}" for s, p in zip(self.stimulus.tolist(), self.split.tolist(), strict=True)})
        return hashlib.sha256("\n".join(pairs).encode()).hexdigest()


class Features(Protocol):
    """The cached tokens of one backbone for one subject's stimuli. Encoders and token metrics read from it.

    Rows are stimuli, in the order of ``Stimuli.ids``. The layers of a joint backbone (``A+B``) are named after their
    network, ``clip/mini:block.3``, in the order in which the user named the networks.
    """

    @property
    def key(self) -> str:
        """Content key of the stored tokens."""
        ...

    @property
    def layers(self) -> tuple[str, ...]:
        """L names, early to late."""
        ...

    @property
    def channels(self) -> tuple[int, ...]:
        """C_l of each layer."""
        ...

    @property
    def grids(self) -> tuple[tuple[int, int], ...]:
        """(H_l, W_l) of each layer."""
        ...

    def __len__(self) -> int: ...

    def local_tokens(self, layer: int, rows: np.ndarray | slice = ...) -> np.ndarray:
        """Return [n, C_l, H_l, W_l] in the store's dtype."""
        ...

    def global_tokens(self, layer: int, rows: np.ndarray | slice = ...) -> np.ndarray:
        """Return [n, C_l] in the store's dtype."""
        ...


@dataclass(frozen=True)
class Predictions:
    """Predicted and measured responses on the test split."""

    values: np.ndarray
    """[N, V], predicted."""
    observed: np.ndarray
    """[N, V], measured."""
    ids: tuple[str, ...]
    """N stimulus names."""


@dataclass(frozen=True)
class Selectors:
    """What each voxel reads. A field is None if the encoder has no such selector."""

    layers: tuple[str, ...]
    """L layer names."""
    layer: np.ndarray | None = None
    """[V, L], rows sum to 1."""
    space: np.ndarray | None = None
    """[V, 2] as (x, y) in [-1, 1], y downwards."""
    scale: np.ndarray | None = None
    """[V], from 0 (local tokens) to 1 (the global token)."""
    channel: np.ndarray | None = None
    """[V, D], weight of each aligned channel."""
    correlation: np.ndarray | None = None
    """[L, L], correlation between the layers' aligned features."""
    likeness: np.ndarray | None = None
    """[L, L]; entry (i, j) is the share of layer i's aligned features that an alignment of layer j of its own could
    supply, NaN if there were too few images to tell. High values mean that a layer selector cannot tell layer i from
    layer j."""


@dataclass(frozen=True)
class MetricInputs:
    """Everything that a metric may need. Inputs that its card does not list in ``needs`` are None or empty."""

    predictions: Predictions | None = None
    """For ``predictions``."""
    selectors: Selectors | None = None
    """For ``selectors``."""
    responses: Responses | None = None
    """For ``responses``."""
    features: Features | None = None
    """For ``tokens``: the backbone's tokens on the grid that the card names."""
    aligned: Features | None = None
    """For ``aligned``: every layer's tokens after the fit's channel align, [n, D, H_l, W_l] and [n, D]."""
    parameters: Mapping[str, Tensor] | None = None
    """For ``parameters``: those of the fit, by name, as ``Fitted.parameters`` returned them."""
    masks: Masks | None = None
    """For ``masks``."""
    dissimilarities: np.ndarray | None = None
    """For ``dissimilarities``: [S, S], measured in the job's subject."""
    other_dissimilarities: tuple[np.ndarray, ...] = ()
    """For ``dissimilarities``: one [S, S] for each other subject who saw the same images in the same order."""
    seed: int = 0
    """Seed of the job."""


@dataclass(frozen=True)
class Score:
    """The result of one metric for one job."""

    values: Mapping[str, float] = field(default_factory=dict)
    """Scores by short name: ``all``, an ROI, ``slope``."""
    per_voxel: np.ndarray | None = None
    """[V], if the metric scores each voxel."""
    draws: Mapping[str, np.ndarray] = field(default_factory=dict)
    """For the values that have an interval: the same score on each of the 1,000 draws of ``resamples``, [1000]."""
    not_applicable: str | None = None
    """Why the metric has no score for this job."""
    notes: tuple[str, ...] = ()
    """Warnings to show with the scores."""


class ArrayNames:
    """The names of the arrays and attributes stored beside a record; ``docs/results.md`` describes what each holds."""

    PREDICTIONS = "predictions"
    UNMEASURED = "unmeasured"
    VERTEX = "surface.vertex"
    RIGHT = "surface.right"
    SELECTORS = ("layer", "space", "scale", "channel", "correlation", "likeness")
    # Attributes of the store.
    IDS, UNMEASURED_IDS, LAYERS, MESH = "ids", "unmeasured_ids", "layers", "mesh"

    @staticmethod
    def per_voxel(metric: str) -> str:
        """The scores that a metric gives voxel by voxel, [V]."""
        return f"per_voxel.{metric}"

    @staticmethod
    def selector(kind: str) -> str:
        """One kind of selector: ``layer`` [V, L], ``space`` [V, 2] ..."""
        return f"selectors.{kind}"

    @staticmethod
    def roi(name: str) -> str:
        """Which voxels are in a ROI, bool [V]."""
        return f"roi.{name}"


@dataclass(frozen=True)
class Cell:
    """A finished job with an encoder, as a metric over records reads it."""

    row: str
    """The job's row on the leaderboard: everything but subject and seed."""
    backbone: str
    """Name of the backbone."""
    encoder: str
    """Name of the encoder."""
    control: bool
    """Whether the row is a control."""
    subject: str
    """Name of the subject."""
    seed: int
    """Seed of the fit."""
    versions: Mapping[str, str] = field(default_factory=dict)
    """Metric name -> version of its scores in the job's record."""
    cost: Mapping[str, float] = field(default_factory=dict)
    """``wall_s`` (seconds) and ``peak_memory_mb``; if known, ``fitted_parameters`` and ``backbone_parameters`` (counts)."""
    rois: tuple[str, ...] = ()
    """ROI names."""
    arrays: Mapping[str, np.ndarray] = field(default_factory=dict)
    """The job's stored arrays: ``predictions`` [N, V], ``per_voxel.<metric>`` [V], ``selectors.<kind>``, ``roi.<name>``
    bool [V]. Each access by name reads from disk. Arrays that were not kept or are damaged are missing."""

    @property
    def predicted(self) -> bool:
        """Whether the predictions are stored beside the record."""
        return ArrayNames.PREDICTIONS in self.arrays

    def per_voxel(self, metric: str) -> np.ndarray | None:
        """The scores that a metric gave voxel by voxel, [V]; None when they are not stored."""
        return self.arrays.get(ArrayNames.per_voxel(metric))

    def selector(self, kind: str) -> np.ndarray | None:
        """One kind of selector, such as ``layer`` [V, L]; None when it is not stored."""
        return self.arrays.get(ArrayNames.selector(kind))

    def roi(self, name: str) -> np.ndarray | None:
        """Which voxels are in a ROI, bool [V]; None when that is not stored."""
        return self.arrays.get(ArrayNames.roi(name))


@dataclass(frozen=True)
class FitContext:
    """What an encoder's ``fit`` is given besides its data."""

    seed: int
    """Seed of the fit."""
    device: Device
    """Device to compute on."""
    progress: Callable[[int, int, str], None] = lambda done, total, figure: None
    """``progress(done, total, text)``, with a score or other short text to show; may be called as often as wanted."""
    folder: Path | None = None
    """A folder for this fit alone, where it may store what it needs to resume after an interruption. The first write
    creates it; it exists until the fit's record is written. None: the fit cannot be resumed."""
    message: Callable[[str], None] = lambda text: None
    """``message(text)`` prints one line for the user."""
    cache: Path | None = None
    """A folder of the encoder's own, where it may store what other fits can use too, such as a network trained on the
    images alone. The first write creates it. None: nothing is kept."""
