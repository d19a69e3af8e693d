"""The record: one JSON document a job, everything a leaderboard is built from. Light to import."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from brainbench.util.hashing import digest

SCHEMA = 1


@dataclass(frozen=True)
class DatasetFacts:
    """Which data: card name, title, content version, subject, split, what was left out and which settings were changed.

    full_split_hash: that of the split before training images were left out, if some were (setting ``train_images``).
    """

    name: str
    title: str
    version: str
    simulated: bool
    subject: str
    stimuli: int
    stimuli_key: str
    responses: int = 0
    voxels: int = 0
    responses_key: str | None = None
    split_hash: str | None = None
    split_sizes: dict[str, int] = field(default_factory=dict)
    dropped_voxels: list[int] = field(default_factory=list)
    rois: dict[str, int] = field(default_factory=dict)
    noise_ceiling: dict[str, float] = field(default_factory=dict)
    licence: str | None = None
    changed: dict[str, Any] = field(default_factory=dict)
    full_split_hash: str | None = None


@dataclass(frozen=True)
class BackboneFacts:
    """Which network: name as selected, weights as shown on a board, sha256 of the loaded tensors, settings, how many parameters."""

    name: str
    family: str
    weights: str
    weights_sha256: str | None
    weights_source: str | None
    control: bool
    plugin: str
    settings: dict[str, Any]
    changed: dict[str, Any]
    licence: str | None = None
    parameters: int | None = None


@dataclass(frozen=True)
class EncoderFacts:
    """Which encoder, with its settings and those that differ from the default."""

    name: str
    plugin: str
    settings: dict[str, Any]
    changed: dict[str, Any]


@dataclass(frozen=True)
class Display:
    """How a board shows a metric, copied from its card so that a board needs nothing but records."""

    columns: dict[str, str] = field(default_factory=dict)
    roi_columns: bool = False
    direction: Literal["higher", "lower", "none"] = "higher"
    opposite: list[str] = field(default_factory=list)
    digits: int = 3
    layers: dict[str, list[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class MetricResult:
    """What one metric said: figures by short name, or why there are none.

    draws: for figures that can have an interval, how far each draw of the test images is from the figure (``resampling``).
    """

    version: str
    display: Display = field(default_factory=Display)
    values: dict[str, float] = field(default_factory=dict)
    not_applicable: str | None = None
    notes: list[str] = field(default_factory=list)
    draws: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Failure:
    """Why a job failed: the plugin at fault, the stage, the exception's type and message."""

    plugin: str
    stage: str
    type: str
    message: str


@dataclass(frozen=True)
class Cost:
    """What the job took.

    wall_s: seconds; peak_memory_mb: highest resident memory of the process so far; peak_anonymous_mb: highest anonymous memory
    of the process during the job, in which mapped files do not count; None where the system does not tell.
    """

    wall_s: float
    peak_memory_mb: float
    device: str
    peak_anonymous_mb: float | None = None


@dataclass(frozen=True)
class Record:
    """The outcome of one job. key: the job key; artifacts: sha256 of what is stored beside the record, by name."""

    key: str
    status: Literal["done", "failed"]
    dataset: DatasetFacts
    backbone: BackboneFacts
    encoder: EncoderFacts | None
    seed: int
    grid: str
    features_key: str | None
    metrics: dict[str, MetricResult]
    versions: dict[str, str]
    cost: Cost
    notes: list[str] = field(default_factory=list)
    history: list[dict[str, float]] = field(default_factory=list)
    artifacts: dict[str, str] = field(default_factory=dict)
    failure: Failure | None = None
    schema: int = SCHEMA

    @property
    def cell(self) -> tuple[object, ...]:
        """What the record is about. A later record of the same cell, with another key, takes the place of an earlier one."""
        encoder = (self.encoder.name, str(sorted(self.encoder.changed.items()))) if self.encoder else None
        data, backbone = self.dataset, self.backbone
        network = (backbone.name, backbone.weights, str(sorted(backbone.changed.items())))
        return (data.name, data.version, data.split_hash, data.subject, network, encoder, self.seed, self.grid)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types. ``digest``: sha256 of all the rest, so that a digit that somebody changed shows."""
        content = asdict(self)
        return {**content, "digest": digest(content)}
