"""Find the installed plugins and load them one by one; one that fails becomes a row, never the end of a command."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import EntryPoint, PackageNotFoundError, entry_points, version
from pathlib import Path

import pluggy

from brainbench import hookspecs
from brainbench.cards import BackboneCard, Card, DatasetCard, EncoderCard, MetricCard
from brainbench.errors import StoreError
from brainbench.records import Failure

KINDS: dict[str, type[Card]] = {
    "backbones": BackboneCard,
    "encoders": EncoderCard,
    "metrics": MetricCard,
    "datasets": DatasetCard,
}


@dataclass(frozen=True)
class Plugin:
    """One entry point: where it comes from, the cards it brought, by kind, and why it failed, if it did."""

    name: str
    distribution: str
    version: str
    cards: dict[str, tuple[Card, ...]] = field(default_factory=dict)
    error: str | None = None


def load_plugins(points: Iterable[EntryPoint] | None = None) -> tuple[Plugin, ...]:
    """Load every entry point of the group ``brainbench`` in its own ``try``; sorted by distribution and name."""
    found = entry_points(group=hookspecs.GROUP) if points is None else points
    loaded = [_load(point) for point in found]
    return tuple(sorted(loaded, key=lambda p: (p.distribution != "brainbench", p.distribution, p.name)))


def _load(point: EntryPoint) -> Plugin:
    distribution = point.dist.name if point.dist else "unknown"
    version = point.dist.version if point.dist else "unknown"
    manager = pluggy.PluginManager(hookspecs.GROUP)
    manager.add_hookspecs(hookspecs)
    try:
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
            yield card


def describe(error: BaseException) -> str:
    """An exception on one line: type and message."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


@cache
def library_version(name: str) -> str:
    """The installed version of a distribution, or "not installed"."""
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


class JobError(Exception):
    """What ended a job: the plugin at fault, the stage and the cause."""

    def __init__(self, plugin: Plugin, stage: str, cause: BaseException) -> None:
        super().__init__(describe(cause))
        self.plugin, self.stage, self.cause = plugin, stage, cause

    def failure(self) -> Failure:
        """For the record."""
        owner = f"{self.plugin.distribution} {self.plugin.version}"
        # A record may be published: it says what failed, not whose machine it was.
        message = " ".join(str(self.cause).replace(str(Path.home()), "~").split())
        return Failure(owner, self.stage, type(self.cause).__name__, message)


@contextmanager
def blamed(plugin: Plugin, stage: str) -> Iterator[None]:
    """Whatever is raised inside is this plugin's failure at this stage; only the disk's refusals pass as they are."""
    try:
        yield
    except (StoreError, JobError):
        raise
    except Exception as error:
        raise JobError(plugin, stage, error) from error
