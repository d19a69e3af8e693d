"""What the stages hand to one another. Light to import: arrays and tensors are named here, never made at import.

B images in a batch, S stimuli, N test responses, V voxels, L layers, C_l channels of layer l, D aligned channels.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
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
    """Which weights a backbone is asked to carry.

    ``release``: the ones its card names; ``untrained``: its library's own initialisation; ``file``: a local file or folder.
    path: where the weights lie: None for untrained, and for a release that the plugin sees to itself.
    """

    kind: Literal["release", "untrained", "file"]
    path: Path | None = None


@dataclass(frozen=True)
class Tokens:
    """The tokens of one batch, layer by layer.

    local_tokens: per layer [B, C_l, H_l, W_l]; global_tokens: per layer [B, C_l].
    """

    local_tokens: tuple[Tensor, ...]
    global_tokens: tuple[Tensor, ...]

    @classmethod
    def from_local(cls, local_tokens: Sequence[Tensor]) -> Tokens:
        """Tokens of a network without a class token: global = the average over space (paper, appendix D)."""
        return cls(tuple(local_tokens), tuple(t.mean(dim=(2, 3)) for t in local_tokens))

    @classmethod
    def from_sequences(cls, sequences: Sequence[Tensor], grid: tuple[int, int]) -> Tokens:
        """Tokens of a vision transformer: per layer [B, P + H*W, C], class token first, patches last and row by row.

        Whatever stands between the class token and the patches (registers) is left out. With P = 0 the global token is
        the average over space.
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
    """The images one subject saw, in the order of the feature store's rows.

    ids: S names, unique; digests: S sha256 of the image bytes; open: index -> RGB image; captions: S texts, if there are any;
    unmeasured: indices of the images, if any, to which nobody's responses are there but predicted ones are wanted.
    """

    ids: tuple[str, ...]
    digests: tuple[str, ...]
    open: Callable[[int], Image.Image]
    captions: tuple[str, ...] | None = None
    unmeasured: tuple[int, ...] = ()

    @property
    def key(self) -> str:
        """Content key: the images' bytes and their order, not their names."""
        return hashlib.sha256("\n".join(self.digests).encode()).hexdigest()

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True)
class Masks:
    """Per-pixel classes of the stimuli. classes: names, the index is the pixel value; load: stimulus index -> uint8 [H, W]."""

    classes: tuple[str, ...]
    load: Callable[[int], np.ndarray]


@dataclass(frozen=True)
class Surface:
    """Where the voxels lie on a mesh. mesh: its name ("fsaverage5"); hemisphere: V of "left"/"right"; vertex: V indices."""

    mesh: str
    hemisphere: np.ndarray
    vertex: np.ndarray


@dataclass(frozen=True)
class Responses:
    """One subject's responses.

    values: [R, V] float32, one row a trial or a repeat average; stimulus: [R] index into the subject's Stimuli;
    split: [R] of "train"/"val"/"test"; coordinates: [V, 3] in mm; rois: name -> bool [V];
    noise_ceiling: [V], explainable share of the variance, 0..1; notes: what was dropped or decided on the way, one
    sentence each, copied into the record; dropped: indices, in the source, of the voxels that were left out;
    truth: what the voxels of a simulated brain really read; key: sha256 over everything above; unprepared: of a survey, the
    bytes that the values will take in the cache and do not take yet.
    """

    subject: str
    values: np.ndarray
    stimulus: np.ndarray
    split: np.ndarray
    key: str
    coordinates: np.ndarray | None = None
    rois: Mapping[str, np.ndarray] = field(default_factory=dict)
    noise_ceiling: np.ndarray | None = None
    surface: Surface | None = None
    notes: tuple[str, ...] = ()
    dropped: tuple[int, ...] = ()
    truth: Selectors | None = None
    unprepared: int = 0

    def rows(self, split: Split) -> np.ndarray:
        """Row numbers of one split, ascending."""
        import numpy as np

        return np.flatnonzero(self.split == split)

    @property
    def split_hash(self) -> str:
        """sha256 of which stimulus is in which split."""
        pairs = sorted({f"{s}:{p}" for s, p in zip(self.stimulus.tolist(), self.split.tolist(), strict=True)})
        return hashlib.sha256("\n".join(pairs).encode()).hexdigest()


class Features(Protocol):
    """Cached tokens of one backbone for one subject's stimuli: what encoders and token metrics read.

    Of several backbones as one, layers are named ``clip/mini:block.3``, in the order in which the backbones were asked for.
    layers: names; channels: C_l; grids: (H_l, W_l); rows are stimuli, in the order of Stimuli.ids.
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
        """[n, C_l, H_l, W_l] in the store's dtype."""
        ...

    def global_tokens(self, layer: int, rows: np.ndarray | slice = ...) -> np.ndarray:
        """[n, C_l] in the store's dtype."""
        ...


@dataclass(frozen=True)
class Predictions:
    """Predicted and measured responses on the test split. values, observed: [N, V]; ids: N stimulus names."""

    values: np.ndarray
    observed: np.ndarray
    ids: tuple[str, ...]


@dataclass(frozen=True)
class Selectors:
    """What each voxel reads, where the encoder has such a selector.

    layer: [V, L], rows sum to 1; space: [V, 2] as (x, y) in [-1, 1], y downwards; scale: [V], 0 local .. 1 global;
    channel: [V, D]. layers: the L layer names. Of the features as the encoder aligned them: correlation, [L, L], between
    layers; likeness, [L, L], share of a row's features that the column's layer could give instead, with an alignment of its
    own. What is alike, no layer selector can tell apart.
    """

    layers: tuple[str, ...]
    layer: np.ndarray | None = None
    space: np.ndarray | None = None
    scale: np.ndarray | None = None
    channel: np.ndarray | None = None
    correlation: np.ndarray | None = None
    likeness: np.ndarray | None = None


@dataclass(frozen=True)
class MetricInputs:
    """Everything a metric may ask for; what its card does not need is None.

    aligned: the tokens of every layer as the fitted encoder aligned them, [n, D, H_l, W_l] and [n, D];
    dissimilarities: [S, S], measured in the job's subject; other_dissimilarities: [S, S] each, measured in the dataset's other
    subjects who saw the same images in the same order, and empty where the card does not need dissimilarities.
    """

    predictions: Predictions | None = None
    selectors: Selectors | None = None
    responses: Responses | None = None
    features: Features | None = None
    aligned: Features | None = None
    masks: Masks | None = None
    dissimilarities: np.ndarray | None = None
    other_dissimilarities: tuple[np.ndarray, ...] = ()
    seed: int = 0


@dataclass(frozen=True)
class Score:
    """What a metric says of one job.

    values: figures by short name ("all", an ROI, "slope"); per_voxel: [V] if there is one figure a voxel; draws: the same
    figures on every draw of ``resamples``, [1000] each, for those that can have an interval; not_applicable: the reason why
    there is no figure; notes: warnings that belong beside the figures.
    """

    values: Mapping[str, float] = field(default_factory=dict)
    per_voxel: np.ndarray | None = None
    draws: Mapping[str, np.ndarray] = field(default_factory=dict)
    not_applicable: str | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Cell:
    """One done job with an encoder, as a metric over records sees it.

    row: the row of the leaderboard it belongs to, everything but subject and seed; control: whether that row is a yardstick;
    versions: metric -> version of what the job's record holds of it; cost: ``wall_s`` (seconds), ``peak_memory_mb``, and
    where they are known ``fitted_parameters`` and ``backbone_parameters`` (how many numbers); rois: names; arrays: what is
    stored beside the record, ``predictions`` [N, V], ``per_voxel.<metric>`` [V], ``selectors.<kind>``, ``roi.<name>`` bool [V],
    read each time one is asked for, so ask by name. What was not kept or is damaged is not among them.
    """

    row: str
    backbone: str
    encoder: str
    control: bool
    subject: str
    seed: int
    versions: Mapping[str, str] = field(default_factory=dict)
    cost: Mapping[str, float] = field(default_factory=dict)
    rois: tuple[str, ...] = ()
    arrays: Mapping[str, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True)
class FitContext:
    """What an encoder is told besides its data.

    progress(done, total, figure) may be called as often as wanted; message(text): one line for the person who waits. folder:
    where this fit, and no other, may keep what it needs to go on after it was stopped; it is made by whoever first writes
    there and lasts until the fit's record is written. None: nowhere.
    """

    seed: int
    device: Device
    progress: Callable[[int, int, str], None] = lambda done, total, figure: None
    folder: Path | None = None
    message: Callable[[str], None] = lambda text: None
