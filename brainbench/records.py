"""The record of a job: one JSON document, from which leaderboards are built. Light to import.

The text below each field is also its row in the tables of docs/results.md (``python docs/field_tables.py``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, NamedTuple

from brainbench.util.hashing import digest

SCHEMA = 1
# The greatest score, so that sums and squares of scores stay finite.
LARGEST = 1e100


@dataclass(frozen=True)
class DatasetFacts:
    """The data: dataset, subject and split, what was left out, and which settings the user changed."""

    name: str
    """Name of the card."""
    title: str
    """Title on a board."""
    version: str
    """Changes whenever the content does."""
    simulated: bool
    """Whether the responses are simulated."""
    subject: str
    """Name of the subject."""
    stimuli: int
    """Number of images, S."""
    stimuli_key: str
    """sha256 of the images' bytes and their order."""
    responses: int = 0
    """Number of rows of responses, R; 0 without responses."""
    voxels: int = 0
    """Number of voxels, V."""
    responses_key: str | None = None
    """sha256 of the responses and everything that belongs to them."""
    split_hash: str | None = None
    """sha256 of the assignment of images to splits."""
    split_sizes: dict[str, int] = field(default_factory=dict)
    """Number of rows in ``train``, ``val`` and ``test``."""
    dropped_voxels: list[int] = field(default_factory=list)
    """Indices, in the source data, of the voxels that were left out."""
    rois: dict[str, int] = field(default_factory=dict)
    """ROI name -> number of voxels."""
    noise_ceiling: dict[str, float] = field(default_factory=dict)
    """Mean explainable share of the variance, over ``all`` voxels and by ROI, 0 to 1."""
    licence: str | None = None
    """Licence of the data."""
    changed: dict[str, Any] = field(default_factory=dict)
    """Dataset settings that differ from their defaults."""
    full_split_hash: str | None = None
    """``split_hash`` before the setting ``train_images`` left training images out; null if it left out none."""
    contents: dict[str, str] = field(default_factory=dict)
    """Subject -> sha256 that changes with this subject's data or split, for every subject of the dataset that the dataset tells
    of, else for the record's own. Records that differ in the same subject are on different boards."""
    test_images: int = 0
    """Number of different images in ``test``, which intervals are about; 0 in records of earlier versions."""


@dataclass(frozen=True)
class BackboneFacts:
    """The network. For a joint backbone (``A+B``), values that differ between its networks are listed in their order."""

    name: str
    """Name as selected, including ``@untrained`` or ``@TASK``; ``A+B`` for a joint backbone."""
    family: str
    """The part of the name before the slash."""
    weights: str
    """Weights as a board shows them: the release, ``untrained``, ``none``, or ``file:`` or ``tuned:`` with eight digits
    of its sha256."""
    weights_sha256: str | None
    """sha256 of the tensors as loaded; for a joint backbone, over its networks' digests."""
    weights_source: str | None
    """Where the weights came from."""
    control: bool
    """Whether it is a control."""
    plugin: str
    """Distribution and version that provide it."""
    settings: dict[str, Any]
    """All settings. A joint backbone has ``tap`` if all its networks share it, else ``clip/mini.tap`` and so on."""
    changed: dict[str, Any]
    """Settings that differ from their defaults."""
    licence: str | None = None
    """Licence of the weights."""
    parameters: int | None = None
    """Number of parameters of the network."""


@dataclass(frozen=True)
class EncoderFacts:
    """The encoder and its settings."""

    name: str
    """Name of the card."""
    plugin: str
    """Distribution and version that provide it."""
    settings: dict[str, Any]
    """All settings."""
    changed: dict[str, Any]
    """Settings that differ from their defaults."""


@dataclass(frozen=True)
class Display:
    """How a board shows a metric, copied from its card, so that a board needs nothing but records.

    Records of earlier versions lack the fields from ``explanation`` on: an installed card of the metric's name supplies them.
    """

    columns: dict[str, str] = field(default_factory=dict)
    """Score name -> heading of its column."""
    roi_columns: bool = False
    """Whether each ROI has a column too."""
    direction: Literal["higher", "lower", "none"] = "higher"
    """Which scores are better: ``higher``, ``lower``, or ``none``."""
    opposite: list[str] = field(default_factory=list)
    """Score names for which the opposite of ``direction`` is better."""
    digits: int = 3
    """Decimals."""
    layers: dict[str, list[str]] = field(default_factory=dict)
    """Score-name prefix -> columns shown next to the per-layer scores whose names start with it."""
    explanation: dict[str, str] = field(default_factory=dict)
    """Score name -> one or two sentences on how to read its column, beginning with the column's heading. The board prints
    them above its tables. One text may explain several columns."""
    precedence: int = 0
    """Metrics with a higher precedence are further left, those with the same one are in order of name. Rows are ranked by the
    first column. The built-in ``r2`` has 40."""
    ceiling: bool = False
    """Whether the noise ceiling bounds its scores, so that the board's row of the ceiling shows it in these columns."""
    errors: str = ""
    """Title of a further table with its columns and their standard errors, which it scores as ``<score name>_se``."""
    errors_note: str = ""
    """Line above that table: how to read the errors."""
    caveat: bool = False
    """Whether its notes say how far layer selectors can be trusted. Plots and reports of layer maps repeat them."""


@dataclass(frozen=True)
class Failure:
    """Why a job failed."""

    plugin: str
    """Distribution and version of the plugin that failed."""
    stage: str
    """Where it failed: ``load``, ``tokens``, ``fit``, a metric ..."""
    type: str
    """Type of the exception."""
    message: str
    """Message of the exception."""

    def __str__(self) -> str:
        """Return it in one line."""
        return f"{self.plugin} failed at {self.stage}: {self.type}: {self.message}"


@dataclass(frozen=True)
class MetricResult:
    """The result of one metric."""

    version: str
    """Version of the metric. Scores of two versions are never on one board."""
    display: Display = field(default_factory=Display)
    """How a board shows the metric."""
    values: dict[str, float] = field(default_factory=dict)
    """Scores by short name: ``all``, an ROI, ``slope``."""
    not_applicable: str | None = None
    """Why there is no score; null if there is one."""
    notes: list[str] = field(default_factory=list)
    """Warnings to show with the scores."""
    draws: dict[str, str] = field(default_factory=dict)
    """For scores with an interval: the difference from the score on each of 1,000 draws of the test images, in half
    precision, packed as base64."""
    failed: Failure | None = None
    """Why the metric failed; null if it did not. It fails alone: the record's other metrics stand."""
    code: str = ""
    """sha256 of the code that computed the scores: the metric's plugin and the parts of brainbench that it builds on. Other
    code scores anew."""


@dataclass(frozen=True)
class Cost:
    """The time and memory that the job took."""

    wall_s: float
    """Seconds."""
    peak_memory_mb: float
    """Highest resident memory of the process so far."""
    device: str
    """``cpu``, ``cuda`` ..."""
    peak_anonymous_mb: float | None = None
    """Highest anonymous memory of the process during the job, which excludes mapped files; null if the system does not
    report it."""


class RowKey(NamedTuple):
    """What makes a row of a board: the backbone and the encoder with their changed settings, not the seed and the subject."""

    backbone: str
    weights: str
    backbone_settings: str
    encoder: str
    encoder_settings: str

    @property
    def network(self) -> tuple[str, str, str]:
        """The part that names the backbone."""
        return (self.backbone, self.weights, self.backbone_settings)


def spelled(changed: Mapping[str, Any]) -> str:
    """Changed settings in one line, by name."""
    return " ".join(f"{key}={value}" for key, value in sorted(changed.items()))


@dataclass(frozen=True)
class Record:
    """The outcome of one job."""

    key: str
    """Identifies the job in 64 hexadecimal digits, computed from everything that could change its result."""
    status: Literal["done", "failed"]
    """``done`` or ``failed``."""
    dataset: DatasetFacts
    """The data."""
    backbone: BackboneFacts
    """The network."""
    encoder: EncoderFacts | None
    """The encoder; null for a job about tokens alone."""
    seed: int
    """Seed of the fit, from 0."""
    grid: str
    """Grid of the local tokens: ``8`` or ``native``."""
    features_key: str | None
    """Key of the cached tokens; null if none were read."""
    metrics: dict[str, MetricResult]
    """Metric name -> its result."""
    versions: dict[str, str]
    """Versions of brainbench, torch, the plugins, and the libraries that their cards name."""
    cost: Cost
    """Time and memory."""
    notes: list[str] = field(default_factory=list)
    """What was decided or dropped during the job, one sentence each."""
    history: list[dict[str, float]] = field(default_factory=list)
    """Course of the fit, one mapping per epoch: ``step``, ``loss``, ``val_r2``."""
    artifacts: dict[str, str] = field(default_factory=dict)
    """Stored file, or array within a store -> its sha256."""
    failure: Failure | None = None
    """Why the job failed; null if it is done."""
    schema: int = SCHEMA
    """Version of this layout: 1."""

    @property
    def failures(self) -> list[Failure]:
        """Why the job, or single metrics of it, failed."""
        alone = [result.failed for _, result in sorted(self.metrics.items()) if result.failed]
        return [self.failure, *alone] if self.failure else alone

    @property
    def subjects(self) -> dict[str, str]:
        """``dataset.contents``; of a record of earlier versions, the split of its own subject."""
        facts = self.dataset
        return facts.contents or ({facts.subject: facts.split_hash} if facts.split_hash else {})

    @property
    def row(self) -> RowKey:
        """The row of a board that the record belongs to."""
        backbone, encoder = self.backbone, self.encoder
        return RowKey(
            backbone.name,
            backbone.weights,
            spelled(backbone.changed),
            encoder.name if encoder else "",
            spelled(encoder.changed) if encoder else "",
        )

    @property
    def cell(self) -> tuple[object, ...]:
        """What the record describes. A later record of the same cell with another key replaces an earlier one."""
        data = self.dataset
        settings = spelled(data.changed)
        return (data.name, data.version, settings, data.split_hash, data.subject, self.row, self.seed, self.grid)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON types. ``digest`` is the sha256 of everything else, so that an edited digit is detected."""
        content = asdict(self)
        return {**content, "digest": digest(content)}
