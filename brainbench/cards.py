"""Cards: the torch-free facts about a backbone, encoder, metric or dataset, and how to load it.

A plugin's hooks return cards; listing, selecting and planning read nothing else, so no network is built and no heavy
library is imported before a job needs it. ``loader`` is what builds the object; write it as ``lazy("package.model:load")``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

from brainbench.errors import UsageError, did_you_mean

Need = Literal["predictions", "selectors", "responses", "tokens", "masks", "dissimilarities", "aligned", "records"]
PRECISIONS = ("auto", "float32", "bfloat16")
SettingType = type[int] | type[float] | type[str] | type[bool]


class lazy:  # noqa: N801 - reads as a word in a card
    """A loader named by its import path, ``"package.module:function"``; the module is imported at the first call."""

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
    """One thing a user may set with ``--set NAME.key=value``."""

    name: str
    type: SettingType
    default: Any
    help: str
    choices: tuple[Any, ...] = ()
    minimum: float | None = None

    def parse(self, text: Any, owner: str) -> Any:
        """Turn ``text`` (from the command line, or a value from Python) into this setting's type.

        Raises UsageError when it is of another type, not among ``choices`` or below ``minimum``.
        """
        try:
            value = _convert(text, self.type)
        except (TypeError, ValueError):
            raise UsageError(
                f"{owner}.{self.name}={text}: expected {self.type.__name__}, e.g. {self.default}"
            ) from None
        if self.choices and value not in self.choices:
            raise UsageError(f"{owner}.{self.name}={text}: allowed are {', '.join(map(str, self.choices))}")
        if self.minimum is not None and value < self.minimum:
            raise UsageError(f"{owner}.{self.name}={text}: must be at least {self.minimum:g}")
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
    """What every card has.

    name: ``family/variant`` or ``family``; libraries: distributions whose version matters to the result; citation: what to
    cite for it, one reference a line: ``Ada Lovelace and others (1843). Title. Venue. arXiv:0000.00000`` (venue and arXiv as
    far as there are any), from which ``brainbench cite --bibtex`` makes its entries.
    """

    name: str
    loader: Callable[..., Any]
    summary: str = ""
    settings: tuple[Setting, ...] = ()
    libraries: tuple[str, ...] = ()
    version: str = "1"
    citation: str | None = None

    @property
    def family(self) -> str:
        """The part of the name before the slash."""
        return self.name.split("/")[0]

    def all_settings(self) -> tuple[Setting, ...]:
        """The card's own settings and the ones every card of its kind has."""
        return self.settings

    def resolve_settings(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Defaults overlaid with ``given``; raises UsageError on an unknown key (with did-you-mean) or a bad value."""
        known = {s.name: s for s in self.all_settings()}
        for key in given:
            if key not in known:
                allowed = ", ".join(sorted(known)) or "none"
                raise UsageError(f"{self.name} has no setting {key!r}{did_you_mean(key, known)}; it has: {allowed}")
        return {name: s.parse(given[name], self.name) if name in given else s.default for name, s in known.items()}


@dataclass(frozen=True, kw_only=True)
class BackboneCard(Card):
    """A vision network. Loader: ``load(*, weights: Weights, settings: Mapping) -> Backbone``.

    weights: the release tag, ``"untrained"`` (a network for which no weights are offered), ``"none"`` (nothing to train) or
    ``"in memory"`` (whatever the module holds).
    layers, width, patch, input_size: L, widest C_l, pixels a patch side, pixels a side of the input; default: stands for its
    family; mini: stands for it on simulated data; control: a yardstick, shown unranked in a block of its own.

    source: where the released weights lie, a URL of one file or a repository of the Hugging Face hub; files: their names in
    the repository, of which the first that is there is taken, or all that match, if ``snapshot``. With a URL or ``files``,
    brainbench fetches them into the cache of torch or of the hub, compares their sha256, and hands the loader
    ``Weights("release", path)``; otherwise the loader sees to its release itself. sha256: of the file, or its beginning.

    pattern: a glob of names, e.g. ``timm/*``; the card then stands for all of them, its own name says so to a reader
    (``timm/<name>``), and ``expand(name=...)`` makes the card of one. joint: a loader of several cards at once, see
    ``JointBackbone``; cards with the same one are read in one pass.

    shuffles: the name of another card with the same loader and settings, whose cached tokens this one hands to the encoder, but
    every image's tokens under another image.
    """

    default: bool = False
    mini: bool = False
    control: bool = False
    weights: str = "untrained"
    layers: int | None = None
    width: int | None = None
    patch: int | None = None
    input_size: int | None = None
    normalisation: str | None = None
    taps: tuple[str, ...] = ("block",)
    parameters: int | None = None
    gflops: float | None = None
    training_data: str | None = None
    objective: str | None = None
    licence: str | None = None
    source: str | None = None
    files: tuple[str, ...] = ()
    snapshot: bool = False
    sha256: str | None = None
    download_mb: float | None = None
    pattern: str = ""
    expand: Callable[..., BackboneCard] | None = None
    joint: Callable[..., Any] | None = None
    shuffles: str = ""

    @property
    def released(self) -> bool:
        """Whether there are trained weights to be had, so that an untrained twin means something."""
        return self.weights not in ("untrained", "none", "in memory")

    def all_settings(self) -> tuple[Setting, ...]:
        """The card's own settings, then preproc, tap, precision, dtype, batch and, where they apply, init_seed, shuffle_seed."""
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

    grid: on which grid it reads local tokens; demo_steps: the ``steps`` setting on simulated data when nobody sets it;
    selectors: which of space, layer, scale, channel its fits have; joint: whether it also takes the layers of several backbones
    as one's (``A+B``), whose grids may differ from layer to layer.

    A setting named ``tap`` asks for layers to be read there, of every backbone that offers the place and whose own setting
    ``tap`` nobody set; the others are read where theirs says.
    """

    default: bool = False
    grid: Literal["8", "native"] = "8"
    demo_steps: int | None = None
    selectors: tuple[str, ...] = ()
    joint: bool = False


@dataclass(frozen=True, kw_only=True)
class MetricCard(Card):
    """A figure of merit. Loader: ``load(*, settings: Mapping) -> Metric``, or ``-> RecordsMetric`` if it needs records.

    needs: what it reads; without predictions, selectors and aligned it needs no encoder; ``aligned``: tokens as the fit's channel
    align gives them, which are not stored, so a metric asked for later has the fit done anew; ``records``, and then nothing else:
    computed whenever a board is built, never stored in a record. columns: score name -> heading on the board; roi_columns: a
    column for each ROI too; direction: which way is better; opposite: score names for which it is the other way; digits:
    decimals shown; own_table: of a metric over records, shown in ``<dataset>.<name>.md`` and ``.csv``, not on the board.
    """

    needs: frozenset[Need]
    columns: Mapping[str, str]
    direction: Literal["higher", "lower", "none"] = "higher"
    opposite: tuple[str, ...] = ()
    unit: str = ""
    default: bool = False
    grid: Literal["8", "native"] = "8"
    roi_columns: bool = False
    digits: int = 3
    own_table: bool = False

    def __post_init__(self) -> None:
        """Raises ValueError for needs that nothing could meet at one time."""
        if self.needs_records and len(self.needs) > 1:
            raise ValueError(
                f"{self.name}: needs records, which are there only when every job is done: need nothing else"
            )
        if self.own_table and not self.needs_records:
            raise ValueError(f"{self.name}: own_table is for metrics that need records")

    @property
    def needs_records(self) -> bool:
        """Whether the figure is about the records of a board and not about one job."""
        return "records" in self.needs

    @property
    def needs_encoder(self) -> bool:
        """Whether the figure is about a fitted encoder."""
        return bool(self.needs & {"predictions", "selectors", "aligned"})


@dataclass(frozen=True)
class Part:
    """One file, or one group of files, of a dataset on disk.

    subject: whose it is, "" for everybody's; what: in words, e.g. "left hemisphere responses"; place: where it lies or should
    lie; there: whether it does; needed: whether a run cannot do without; size: bytes; source: where one gets it; detail: what
    is worth knowing of it in a few words, e.g. "9,841 x 19,004 float32".
    """

    subject: str
    what: str
    place: Path
    there: bool
    needed: bool = True
    size: int = 0
    source: str = ""
    detail: str = ""


@dataclass(frozen=True, kw_only=True)
class DatasetCard(Card):
    """Stimuli and responses. Loader: ``load(*, settings: Mapping, data: Path | None, cache: Path) -> Dataset``.

    The loader is given the card's own settings; those that every dataset has, brainbench sees to itself.

    simulated: no brain was measured, every table and picture says so; needs_data: ``--data`` has to be given;
    takes_data: it may be.

    For ``brainbench data`` (all three optional). root: ``root(path) -> Path | None``, the folder at ``path``, or one level or
    two above or below it, that has this dataset's layout, None if there is none; contents: ``contents(*, data, settings) ->
    list[Part]``, the files that the layout knows, there or not; maker: ``make(*, folder, settings) -> None``, writes a small
    simulated directory in this layout, with maker_settings for its sizes.
    """

    default: bool = False
    simulated: bool = False
    needs_data: bool = False
    takes_data: bool = False
    licence: str | None = None
    root: Callable[..., Path | None] | None = None
    contents: Callable[..., Sequence[Part]] | None = None
    maker: Callable[..., None] | None = None
    maker_settings: tuple[Setting, ...] = ()

    def all_settings(self) -> tuple[Setting, ...]:
        """The card's own settings, then train_images."""
        fewer = "train on so many images only, 0: on all; a list gives a curve (appendix G)"
        return (*self.settings, Setting("train_images", int, 0, fewer, minimum=0))

    def own_settings(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """As ``resolve_settings``, without those that every dataset has: what the loader is given."""
        resolved = self.resolve_settings(given)
        return {setting.name: resolved[setting.name] for setting in self.settings}
