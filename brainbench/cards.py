"""Cards: the torch-free facts about a backbone, encoder, metric or dataset, and how to load it.

A plugin's hooks return cards. Listing, selecting and planning read nothing else, so no network is built and no heavy
library is imported before a job needs it. Each card names the function that builds its object as ``loader``, usually
``lazy("package.model:load")``.

The text below each field is also its row in the tables of docs/hooks.md (``python docs/field_tables.py``).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

from brainbench.errors import UsageError, did_you_mean
from brainbench.parts import Part, RemoteFile
from brainbench.util.texts import one_line

FitNeed = Literal["predictions", "selectors", "aligned", "parameters"]
Need = Literal[FitNeed, "responses", "tokens", "masks", "dissimilarities", "records"]
PRECISIONS = ("auto", "float32", "bfloat16")
SettingType = type[int] | type[float] | type[str] | type[bool]


class lazy:  # noqa: N801 - reads as a word in a card
    """A loader given by its import path, ``"package.module:function"``. The first call imports the module."""

    def __init__(self, path: str) -> None:
        self.module, _, self.function = path.partition(":")
        if not self.function:
            raise ValueError(f"lazy({path!r}): expected 'package.module:function'")

    def __call__(self, *given: Any, **arguments: Any) -> Any:
        """Import the module and call the function."""
        return getattr(import_module(self.module), self.function)(*given, **arguments)

    def __repr__(self) -> str:
        return f"lazy('{self.module}:{self.function}')"

    def __eq__(self, other: object) -> bool:
        return repr(self) == repr(other)

    def __hash__(self) -> int:
        return hash(repr(self))


@dataclass(frozen=True)
class Setting:
    """A value that users may set with ``--set NAME.key=value``."""

    name: str
    """The ``key`` in ``--set NAME.key=value``."""
    type: SettingType
    """``int``, ``float``, ``str`` or ``bool``."""
    default: Any
    """The value if the user sets none; None where the object itself decides."""
    help: str
    """One line for ``brainbench list``."""
    choices: tuple[Any, ...] = ()
    """The allowed values. Empty: every value of the type."""
    minimum: float | None = None
    """The smallest allowed number."""
    path: bool = False
    """Whether the text names a file or folder: keys then hold what is in it, wherever it is."""

    def parse(self, text: Any, owner: str) -> Any:
        """Convert ``text`` (a string from the command line or a value from Python) to this setting's type.

        Raises UsageError if it has another type, is not among ``choices`` or is below ``minimum``.
        """
        try:
            value = _convert(text, self.type)
        except (TypeError, ValueError):
            example = "" if self.default is None else f", e.g. {self.default}"
            raise UsageError(
                f"{owner}.{self.name}={one_line(str(text))}: expected {self.type.__name__}{example}"
            ) from None
        if isinstance(value, float) and not math.isfinite(value):
            raise UsageError(f"{owner}.{self.name}={one_line(str(text))}: must be a finite number")
        if self.choices and value not in self.choices:
            raise UsageError(
                f"{owner}.{self.name}={one_line(str(text))}: allowed are {', '.join(map(str, self.choices))}"
            )
        if self.minimum is not None and value < self.minimum:
            raise UsageError(f"{owner}.{self.name}={one_line(str(text))}: must be at least {self.minimum:g}")
        return value


def _convert(text: Any, kind: SettingType) -> Any:
    if kind is bool:
        words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
        if str(text).lower() not in words:
            raise ValueError(text)
        return words[str(text).lower()]
    if kind is int and isinstance(text, float) and not text.is_integer():
        raise ValueError(text)
    return kind(text)


@dataclass(frozen=True, kw_only=True)
class Card:
    """The fields that every card has."""

    name: str
    """``family/variant``, or ``family`` alone."""
    loader: Callable[..., Any]
    """The function that builds the object: ``lazy("package.module:function")`` imports its module on the first call."""
    summary: str = ""
    """One line for ``brainbench list``."""
    settings: tuple[Setting, ...] = ()
    """The card's own settings."""
    libraries: tuple[str, ...] = ()
    """Distributions whose version changes the result. Their versions are part of keys and records."""
    version: str = "1"
    """Part of every key: raise it when the same input gives another result."""
    citation: str | None = None
    """What to cite, one reference per line: ``Ada Lovelace and others (1843). Title. Venue. arXiv:0000.00000``, with venue
    and arXiv number where they exist. ``brainbench cite --bibtex`` makes its entries from these lines."""

    @property
    def family(self) -> str:
        """The part of the name before the slash."""
        return self.name.split("/")[0]

    def all_settings(self) -> tuple[Setting, ...]:
        """Return the card's own settings and those that every card of its kind has."""
        return self.settings

    def resolve_settings(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the default settings, overridden by ``given``.

        Raises UsageError for an unknown key (and suggests a known one) or an invalid value.
        """
        known = {s.name: s for s in self.all_settings()}
        for key in given:
            if key not in known:
                allowed = ", ".join(sorted(known)) or "none"
                raise UsageError(f"{self.name} has no setting {key!r}{did_you_mean(key, known)}; it has: {allowed}")
        return {name: s.parse(given[name], self.name) if name in given else s.default for name, s in known.items()}


@dataclass(frozen=True, kw_only=True)
class BackboneCard(Card):
    """A vision network. Loader: ``load(*, weights: Weights, settings: Mapping) -> Backbone``.

    If ``source`` is a URL or ``files`` is set, brainbench downloads the released weights to the cache of torch or of the
    hub, compares their sha256, and passes ``Weights("release", path)`` to the loader. Otherwise the loader finds its
    release itself. If the plugin's package contains the weights, pass ``**shipped("package")`` to the card (see
    ``brainbench.shipped``).
    """

    default: bool = False
    """Represents its family in ``--backbones all``."""
    mini: bool = False
    """Represents its family in ``--backbones all`` on simulated data."""
    control: bool = False
    """A control: listed in a block of its own, without a rank."""
    weights: str = "untrained"
    """The tag of the release; ``untrained`` if no weights are offered, ``none`` if the network has nothing to train,
    ``in memory`` if the module already holds its weights."""
    layers: int | None = None
    """Number of layers it returns, L."""
    width: int | None = None
    """Number of channels of its widest layer."""
    patch: int | None = None
    """Side of a patch in pixels."""
    input_size: int | None = None
    """Side of its input in pixels."""
    normalisation: str | None = None
    """Mean and standard deviation of its own preprocessing, in words, e.g. ``CLIP``."""
    taps: tuple[str, ...] = ("block",)
    """Where a layer can be read: the choices of the setting ``tap``."""
    parameters: int | None = None
    """Number of parameters."""
    gflops: float | None = None
    """Cost of one forward pass of one image, in 10^9 floating-point operations."""
    training_data: str | None = None
    """The data it was trained on."""
    training: str | None = None
    """How its weights were trained and how well they do on their own objective, in one line."""
    objective: str | None = None
    """The objective it was trained with."""
    licence: str | None = None
    """Licence of its weights, printed when a run uses them."""
    source: str | None = None
    """Where the released weights are: the URL of one file, a repository of the Hugging Face hub, or
    ``package:name/file``."""
    files: tuple[str, ...] = ()
    """File names in the repository. The first that exists is downloaded."""
    snapshot: bool = False
    """Download every file that matches ``files``, not just the first. Without a slash in any of them, only files at the top of
    the repository match."""
    revision: str | None = None
    """Commit of the repository on the hub. It is part of the features key; None: whichever commit the cache has."""
    sha256: str | None = None
    """sha256 of the file, or its first digits."""
    download_mb: float | None = None
    """Size of the download, printed before a run starts."""
    pattern: str = ""
    """A glob of names that this one card represents, e.g. ``timm/*``. The card's own name shows readers what to replace
    (``timm/<name>``). Never part of ``all``."""
    expand: Callable[..., BackboneCard] | None = None
    """``expand(name=...)`` returns the card of one name that matches ``pattern``."""
    joint: Callable[..., Any] | None = None
    """A loader of several cards (see ``JointBackbone``). Cards with the same ``joint`` are read in one pass."""
    shuffles: str = ""
    """The name of a card with the same loader and settings. The encoder is given that card's cached tokens, but each
    image's tokens under another image."""

    @property
    def released(self) -> bool:
        """Whether trained weights exist, so that an untrained twin is a meaningful control."""
        return self.weights not in ("untrained", "none", "in memory")

    def all_settings(self) -> tuple[Setting, ...]:
        """Return the card's own settings, then those that every backbone has (preproc, tap ...) and that apply to this one."""
        common = [
            Setting("preproc", str, "paper", "paper: squash to a square, ImageNet statistics; native: the network's own",
                    ("paper", "native")),
            Setting("tap", str, "block", "where a layer is read", self.taps),
            Setting("precision", str, "auto", "of the forward pass; auto: bfloat16 where it pays on a GPU, else float32",
                    PRECISIONS),
            Setting("dtype", str, "float16", "type of the cached tokens", ("float16", "float32")),
            Setting("batch", int, 0, "images in one forward pass; 0: as many as pay and fit", minimum=0),
        ]  # fmt: skip
        if self.weights not in ("none", "in memory"):
            common.append(Setting("init_seed", int, 0, "seed of untrained weights", minimum=0))
        if self.shuffles:
            common.append(Setting("shuffle_seed", int, 0, "seed of which image gets which one's tokens", minimum=0))
        return self.settings + tuple(common)


@dataclass(frozen=True, kw_only=True)
class EncoderCard(Card):
    """A map from tokens to responses. Loader: ``load(*, settings: Mapping) -> Encoder``.

    An encoder with a setting named ``tap`` chooses where layers are read. This applies to every backbone whose ``taps``
    include that place and whose own setting ``tap`` the user left alone; other backbones keep their own ``tap``.
    """

    default: bool = False
    """Recommended to start with, and marked in ``brainbench list``."""
    grid: Literal["8", "native"] = "8"
    """The grid of its local tokens: resampled to 8 x 8 (``8``), or as the backbone returns them (``native``)."""
    demo_steps: int | None = None
    """Default of the setting ``steps`` on simulated data, with the default recipe."""
    selectors: tuple[str, ...] = ()
    """The selectors that its fits have, of ``space``, ``layer``, ``scale``, ``channel``."""
    memory: Callable[..., float] | None = None
    """``memory(images=..., test=..., voxels=..., layers=..., channels=..., settings=...)`` returns the bytes that a fit to
    so many train and val images takes at its peak, for the estimate of a run. None: the responses, and as many tokens as
    the setting ``memory`` allows."""
    rereads: bool = False
    """Its fits read the tokens of the images that they were fitted to again whenever they predict. ``brainbench predict``
    then needs the dataset too."""
    joint: bool = False
    """Accepts a joint backbone (``A+B``), which has the layers of several networks. Their grids may differ."""


@dataclass(frozen=True, kw_only=True)
class MetricCard(Card):
    """A measure of how good a fit or a backbone is.

    Loader: ``load(*, settings: Mapping) -> Metric``, or ``-> RecordsMetric`` if it needs ``records``.

    A metric that needs none of ``predictions``, ``selectors``, ``aligned`` and ``parameters`` is computed without an encoder.
    ``aligned`` means the tokens after the fit's channel align. They are not stored, so adding such a metric later repeats the
    fit.
    A metric over ``records`` is computed whenever a board is built and is never stored in a record.
    """

    needs: frozenset[Need]
    """Its inputs: any of ``predictions``, ``selectors``, ``responses``, ``tokens``, ``masks``, ``dissimilarities``,
    ``aligned`` and ``parameters``; or ``records`` alone. Without ``predictions``, ``selectors``, ``aligned`` and
    ``parameters`` it needs no encoder."""
    columns: Mapping[str, str]
    """Score name -> heading of its column on the board."""
    direction: Literal["higher", "lower", "none"] = "higher"
    """Which scores are better: ``higher``, ``lower``, or ``none`` if there is no better."""
    opposite: tuple[str, ...] = ()
    """Score names for which the opposite of ``direction`` is better."""
    unit: str = ""
    """Unit of its scores, e.g. ``s``."""
    default: bool = False
    """Computed if the user names no metrics."""
    grid: Literal["8", "native"] = "8"
    """The grid of the local tokens that it reads, as for encoders."""
    roi_columns: bool = False
    """Adds one column per ROI."""
    digits: int = 3
    """Decimals on the board."""
    own_table: bool = False
    """Written to ``<dataset>.<name>.md`` and ``.csv`` instead of the board. Only for metrics over records."""
    layers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Score-name prefix -> columns. Scores named ``<prefix><layer>`` are written to ``<dataset>.layers.md`` and ``.csv``,
    next to these columns. The first column is the score that the per-layer scores break down."""
    explanation: Mapping[str, str] = field(default_factory=dict)
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

    def __post_init__(self) -> None:
        """Raise ValueError if needs contradict each other, or a column is explained or layered that there is not."""
        if self.needs_records and len(self.needs) > 1:
            raise ValueError(
                f"{self.name}: needs records, which exist only after every job is done; remove its other needs"
            )
        if self.own_table and not self.needs_records:
            raise ValueError(f"{self.name}: own_table is only for metrics that need records")
        if strange := self.explanation.keys() - self.columns.keys():
            allowed = ", ".join(self.columns) or "none"
            raise ValueError(f"{self.name}: explanation of {sorted(strange)[0]!r}; explain its columns: {allowed}")
        for prefix, beside in self.layers.items():
            if not beside or not self.columns.keys() >= set(beside):
                allowed = ", ".join(self.columns) or "none"
                raise ValueError(
                    f"{self.name}: layers[{prefix!r}] is {beside}; name one or more of its columns: {allowed}"
                )

    @property
    def needs_records(self) -> bool:
        """Whether it scores the records of a board instead of a single job."""
        return "records" in self.needs

    @property
    def needs_encoder(self) -> bool:
        """Whether it scores a fitted encoder."""
        return bool(self.needs & {"predictions", "selectors", "aligned", "parameters"})


@dataclass(frozen=True, kw_only=True)
class DatasetCard(Card):
    """Stimuli and responses. Loader: ``load(*, settings: Mapping, data: Path | None, cache: Path) -> Dataset``.

    The loader is given the card's own settings. brainbench handles the setting that every dataset has, ``train_images``.
    ``root``, ``contents``, ``downloads`` and ``maker`` are optional and serve ``brainbench data``.
    """

    default: bool = False
    """Recommended to start with, and marked in ``brainbench list``."""
    simulated: bool = False
    """The responses are simulated: no brain was measured. Every table and picture says so."""
    needs_data: bool = False
    """``--data`` is required."""
    takes_data: bool = False
    """``--data`` is accepted."""
    licence: str | None = None
    """Licence of the data, shown below the board."""
    root: Callable[..., Path | None] | None = None
    """``root(path)`` returns the folder with this dataset's layout at ``path``, or up to two levels above or below it;
    None if there is none."""
    contents: Callable[..., Sequence[Part]] | None = None
    """``contents(data=..., settings=...)`` lists every file that the layout defines, present or missing, as ``Part``."""
    downloads: tuple[RemoteFile, ...] = ()
    """The files that ``brainbench data fetch`` brings. Such a card says ``takes_data``, and its loader opens
    ``brainbench.datasets.fetched(...)``."""
    maker: Callable[..., None] | None = None
    """``maker(folder=..., settings=...)`` writes a small simulated dataset in this layout."""
    maker_settings: tuple[Setting, ...] = ()
    """Settings of ``maker``, such as sizes."""

    def all_settings(self) -> tuple[Setting, ...]:
        """Return the card's own settings, then train_images."""
        fewer = "number of training images, 0: all; a list gives a curve (appendix G)"
        return (*self.settings, Setting("train_images", int, 0, fewer, minimum=0))

    def own_settings(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the resolved settings that the loader is given: without those that every dataset has."""
        resolved = self.resolve_settings(given)
        return {setting.name: resolved[setting.name] for setting in self.settings}
