"""name -> card -> object: the installed cards, and how names and globs select them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any, Generic, TypeVar

from brainbench.cards import BackboneCard, Card, DatasetCard, EncoderCard, MetricCard, Setting
from brainbench.engines import EngineCard
from brainbench.errors import UsageError, did_you_mean
from brainbench.plugins import Plugin, blamed, load_plugins
from brainbench.util.texts import misnamed

C = TypeVar("C", bound=Card)

# Joins the names of a joint backbone.
JOIN = "+"
# Kind -> family -> the project's own plugin that provides it, to name when it is not installed. A test compares this with the
# cards of the plugins in this repository.
PUBLISHED: Mapping[str, Mapping[str, str]] = {
    "backbones": {
        name: name
        for name in (
            *("clip", "dinov2", "efficientnet", "hf", "imagenet", "mae", "mocov3", "sam", "sd", "timm", "torchvision"),
        )
    },
    "encoders": {"alignedcut": "alignedcut", "ridge": "ridge", "sae": "sae"},
    "metrics": {"dictionary": "sae", "miou": "alignedcut"},
    "datasets": {
        "algonauts2023": "nsd",
        "cowley-v4": "open",
        "imagenet-segmentation": "alignedcut",
        "nsd": "nsd",
        "objects92": "open",
        "voc2012": "alignedcut",
    },
    "engines": {"dask": "dask", "slurm": "slurm"},
}


@dataclass(frozen=True)
class Entry(Generic[C]):
    """A card and the plugin it came from."""

    card: C
    plugin: Plugin

    @property
    def name(self) -> str:
        """The card's name."""
        return self.card.name


class Shelf(Generic[C]):
    """All cards of one kind ("backbones" ...), by name. ``clashes`` holds the names that two plugins claim."""

    def __init__(self, kind: str, plugins: Sequence[Plugin]) -> None:
        self.kind = kind
        self._plugins = plugins
        claims: dict[str, list[Entry[C]]] = {}
        for plugin in plugins:
            for card in plugin.cards.get(kind, ()):
                claims.setdefault(card.name, []).append(Entry(card, plugin))  # type: ignore[arg-type]
        self._entries = {name: found[0] for name, found in sorted(claims.items()) if len(found) == 1}
        self._expanded: dict[str, Entry[C]] = {}
        self.clashes = {name: [e.plugin for e in found] for name, found in claims.items() if len(found) > 1}

    def __iter__(self) -> Iterator[Entry[C]]:
        return iter(self._entries.values())

    def get(self, name: str) -> Entry[C]:
        """Return the entry with exactly this name.

        Raises UsageError for an unknown name. The message suggests a similar name, or names the distribution to install.
        """
        if name in self._entries:
            if _pattern(self._entries[name]):
                raise UsageError(f"{name} is a pattern; replace {name.partition('/')[2]} with a name")
            return self._entries[name]
        if name in self.clashes:
            owners = " and ".join(str(p) for p in self.clashes[name])
            raise UsageError(f"{self.kind[:-1]} {name!r} is offered by both {owners}: uninstall one of them")
        for entry in [e for e in self._entries.values() if fnmatchcase(name, _pattern(e))]:
            if name not in self._expanded:
                self._expanded[name] = self._expand(entry, name)
            return self._expanded[name]
        raise UsageError(self._unknown(name))

    def _expand(self, entry: Entry[C], name: str) -> Entry[C]:
        """Return the entry of one name that matches a pattern card."""
        with blamed(entry.plugin, "make its card", f"{self.kind[:-1]} {name}"):
            card = entry.card.expand(name=name)  # type: ignore[attr-defined]
        return Entry(card, entry.plugin)

    def match(self, pattern: str) -> tuple[Entry[C], ...]:
        """Return the entries for a name or glob. Raises UsageError if there are none."""
        if not any(c in pattern for c in "*?[") or names_a_path(pattern):
            return (self.get(pattern),)
        found = tuple(e for name, e in self._entries.items() if fnmatchcase(name, pattern) and not _pattern(e))
        if not found:
            raise UsageError(f"no {self.kind[:-1]} matches {pattern!r}; {self._where(pattern)}")
        return found

    def select(self, text: str) -> tuple[Entry[C], ...]:
        """Return the entries for a comma list of names and globs, in its order, without duplicates."""
        chosen: dict[str, Entry[C]] = {}
        for pattern in split_list(text, self.kind):
            for entry in self.match(pattern):
                chosen.setdefault(entry.name, entry)
        return tuple(chosen.values())

    def _unknown(self, name: str) -> str:
        family = name.split("/")[0]
        families = {n.split("/")[0] for n in self._entries}
        message = f"unknown {self.kind[:-1]} {name!r}{self._near(name, families)}"
        owner = PUBLISHED[self.kind].get(family, family)
        broken = [p for p in self._plugins if p.error and owner in p.name + p.distribution]
        if broken:
            return f"{message}; {broken[0]} failed to load: {broken[0].error}"
        return f"{message}; {self._where(name)}"

    def _where(self, name: str) -> str:
        """Say where an unknown name may be found: in one of the project's own plugins, or in the list."""
        family = name.split("/")[0]
        plugin = PUBLISHED[self.kind].get(family)
        if plugin and not any(entry.card.family == family for entry in self._entries.values()):
            return f"it comes with: pip install brainbench-plugin-{plugin}"
        return f"`brainbench list {self.kind}` shows them all"

    def _near(self, name: str, families: set[str]) -> str:
        """Suggest a name: from the same family, or from the family with the most similar spelling."""
        family = name.split("/")[0]
        meant = [family] if family in families else get_close_matches(family, families, n=1)
        known = [other for other in self._entries if other.split("/")[0] in meant]
        return did_you_mean(name.replace(family, meant[0], 1), known) if meant else ""


class Registry:
    """All cards of the installed plugins."""

    def __init__(self, plugins: Sequence[Plugin]) -> None:
        self.plugins = tuple(plugins)
        self.backbones: Shelf[BackboneCard] = Shelf("backbones", self.plugins)
        self.encoders: Shelf[EncoderCard] = Shelf("encoders", self.plugins)
        self.metrics: Shelf[MetricCard] = Shelf("metrics", self.plugins)
        self.datasets: Shelf[DatasetCard] = Shelf("datasets", self.plugins)
        self.engines: Shelf[EngineCard] = Shelf("engines", self.plugins)

    def shelves(self) -> tuple[Shelf[Any], ...]:
        """The five shelves."""
        return (self.backbones, self.encoders, self.metrics, self.datasets, self.engines)

    def with_backbones(self, cards: Sequence[BackboneCard]) -> Registry:
        """Return a registry that also holds backbones made in memory (``from_module``).

        Raises UsageError if a name is taken, or contains a comma or ``+``.
        """
        for card in cards:
            if JOIN in card.name or "," in card.name:
                raise UsageError(
                    f"from_module(name={card.name!r}): commas and + separate names; choose a name without them"
                )
            if wrong := misnamed(card.name):
                raise UsageError(f"from_module(name={card.name!r:.80}): {wrong}")
            for entry in self.backbones:
                if entry.name == card.name:
                    owner = entry.plugin.distribution
                    raise UsageError(
                        f"from_module(name={card.name!r}): {owner} has a backbone of this name; choose another name"
                    )
        return Registry((*self.plugins, Plugin("memory", "in memory", "0", {"backbones": tuple(cards)})))


def installed() -> Registry:
    """Return the registry of this environment, whose plugins are read once.

    What a name of a pattern means is found out anew: the folder that it names may have changed since.
    """
    return Registry(_plugins())


@cache
def _plugins() -> tuple[Plugin, ...]:
    return tuple(load_plugins())


def _pattern(entry: Entry[Any]) -> str:
    return getattr(entry.card, "pattern", "")


def split_list(text: str, what: str) -> list[str]:
    """Split a comma list. Raises UsageError if it is empty."""
    parts = [part.strip() for part in split_names(text, ",") if part.strip()]
    if not parts:
        raise UsageError(f"no {what} selected: give names or globs, separated by commas (`brainbench list` shows them)")
    return parts


def split_names(text: str, sign: str) -> list[str]:
    """Split at a sign, but not within ``family/PATH`` where that path exists."""
    parts: list[str] = []
    for part in text.split(sign):
        parts.append(part)
        for start in range(len(parts) - 1):
            whole = sign.join(parts[start:])
            if names_a_path(whole):
                parts[start:] = [whole]
                break
    return parts


def names_a_path(name: str, *, tuned: bool = True) -> bool:
    """Whether a name is ``family/PATH`` of a file or folder that exists.

    ``@untrained`` may follow, and, with ``tuned``, ``@TASK``.
    """
    family, _, path = name.strip().partition("/")
    before, _, task = path.rpartition("@")
    paths = {path.removesuffix("@untrained"), before if tuned and not {",", JOIN} & {*task} else ""}
    return not {",", JOIN} & {*family} and any("/" in one and Path(one).exists() for one in paths)


def describe_card(entry: Entry[Any]) -> Mapping[str, Any]:
    """Return a card as plain JSON, for ``list --json``."""
    card = entry.card
    doors = ("loader", "expand", "joint", "memory", "root", "contents", "maker", "downloads")
    hidden = (*doors, "settings", "maker_settings", "version", "needs", "columns")
    facts = {k: list(v) if isinstance(v, tuple) else v for k, v in vars(card).items() if k not in hidden}
    metric = {"needs": sorted(card.needs), "columns": dict(card.columns)} if isinstance(card, MetricCard) else {}
    fits = {"joint": card.joint} if isinstance(card, EncoderCard) else {}
    data = _data_commands(card) if isinstance(card, DatasetCard) else {}
    return {
        "name": card.name,
        "family": card.family,
        "plugin": entry.plugin.distribution,
        "version": entry.plugin.version,
        "default": False,
        "mini": False,
        **facts,
        **fits,
        **metric,
        **data,
        "settings": _described(card.all_settings()),
    }


def _data_commands(card: DatasetCard) -> Mapping[str, Any]:
    """Return what ``brainbench data`` can do with a dataset; maker_settings is None if it cannot be simulated."""
    return {
        "checks": card.root is not None,
        "fetches": bool(card.downloads),
        "maker_settings": None if card.maker is None else _described(card.maker_settings),
    }


def _described(settings: Sequence[Setting]) -> list[dict[str, Any]]:
    return [
        {"name": s.name, "type": s.type.__name__, "default": s.default, "help": s.help, "choices": list(s.choices)}
        for s in settings
    ]
