"""Find the installed plugins and load them one by one. A plugin that fails is listed with its error; no command stops."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import EntryPoint, PackageNotFoundError, entry_points, version

import pluggy

from brainbench import hookspecs
from brainbench.cards import BackboneCard, Card, DatasetCard, EncoderCard, MetricCard
from brainbench.engines import EngineCard
from brainbench.errors import BrainbenchError, PluginError, StoreError
from brainbench.records import Failure
from brainbench.util.folders import home
from brainbench.util.texts import misnamed

KINDS: dict[str, type[Card]] = {
    "backbones": BackboneCard,
    "encoders": EncoderCard,
    "metrics": MetricCard,
    "datasets": DatasetCard,
    "engines": EngineCard,
}


@dataclass(frozen=True)
class Plugin:
    """An entry point of the group ``brainbench``."""

    name: str
    """Name of the entry point."""
    distribution: str
    """The distribution that declares it."""
    version: str
    """Version of the distribution."""
    cards: dict[str, tuple[Card, ...]] = field(default_factory=dict)
    """Its cards, by kind (``backbones`` ...)."""
    error: str | None = None
    """Why it failed to load; None if it loaded."""

    def __str__(self) -> str:
        """Name the distribution and its version."""
        return f"{self.distribution} {self.version}"


def load_plugins(points: Iterable[EntryPoint] | None = None) -> tuple[Plugin, ...]:
    """Load every entry point of the group ``brainbench``, each in its own ``try``. Sorted by distribution and name."""
    found = entry_points(group=hookspecs.GROUP) if points is None else points
    loaded = [_load(point) for point in found]
    return tuple(sorted(loaded, key=lambda p: (p.distribution != "brainbench", p.distribution, p.name)))


def _load(point: EntryPoint) -> Plugin:
    distribution = point.dist.name if point.dist else "unknown"
    version = point.dist.version if point.dist else "unknown"
    manager = pluggy.PluginManager(hookspecs.GROUP)
    manager.add_hookspecs(hookspecs)
    try:
        with redirect_stdout(sys.stderr):
            manager.register(point.load(), name=point.name)
            manager.check_pending()
            cards = {kind: tuple(_cards(manager, kind)) for kind in KINDS}
    # A plugin may raise anything while it loads, SystemExit included, and must not take the command with it.
    except (Exception, SystemExit) as error:
        return Plugin(point.name, distribution, version, error=describe(error))
    return Plugin(point.name, distribution, version, {kind: c for kind, c in cards.items() if c})


def _cards(manager: pluggy.PluginManager, kind: str) -> Iterator[Card]:
    hook: Callable[[], list[list[Card] | None]] = getattr(manager.hook, f"register_{kind}")
    for cards in hook():
        for card in cards or ():
            if not isinstance(card, KINDS[kind]):
                raise TypeError(f"register_{kind}() must return {KINDS[kind].__name__} objects, got {card!r:.80}")
            if wrong := misnamed(card.name):
                raise ValueError(f"register_{kind}(): the name {card.name!r:.80}: {wrong}")
            yield card


def describe(error: BaseException) -> str:
    """Return an exception's type and message on one line."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


@cache
def library_version(name: str) -> str:
    """Return the installed version of a distribution, or "not installed"."""
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


class BlamedError(PluginError):
    """A plugin raised: which one, at which stage, and the cause."""

    def __init__(self, plugin: Plugin, stage: str, cause: BaseException, subject: str | None = None) -> None:
        said = f"{subject} of {plugin} failed to {stage}: " if subject else ""
        super().__init__(said + (str(cause) if isinstance(cause, BrainbenchError) else describe(cause)))
        self.plugin, self.stage, self.cause = plugin, stage, cause

    def failure(self) -> Failure:
        """Describe it for the record."""
        # A record may be published: it says what failed, not whose machine it was.
        place = home()
        text = str(self.cause).replace(str(place), "~") if place else str(self.cause)
        message = " ".join(text.split())
        return Failure(str(self.plugin), self.stage, type(self.cause).__name__, message)


@contextmanager
def blamed(plugin: Plugin, stage: str, subject: str | None = None, *, own: bool | None = None) -> Iterator[None]:
    """Turn what is raised inside into a BlamedError of this plugin at this stage.

    subject: outside of a job, what the plugin was asked for, such as ``dataset nsd``; the stage then completes "failed to ...".
    own: whether brainbench's own errors pass, because they say already what to do; by default outside of a job only. The disk's
    refusals always pass.
    """
    passing = BrainbenchError if (bool(subject) if own is None else own) else (StoreError, BlamedError)
    try:
        # What a plugin prints must not get into a command's output, which may be JSON.
        with redirect_stdout(sys.stderr):
            yield
    except passing:
        raise
    except Exception as error:
        raise BlamedError(plugin, stage, error, subject) from error
