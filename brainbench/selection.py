"""``--backbones``, ``--weights`` and the controls: which networks run, and with which weights."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from brainbench import keys
from brainbench.cards import BackboneCard
from brainbench.errors import UsageError
from brainbench.registry import Entry, Registry, split_list
from brainbench.settings import Assignments
from brainbench.types import Weights

UNTRAINED = "@untrained"


@dataclass(frozen=True)
class BackbonePick:
    """A backbone as it runs. control: shown unranked, because its card says so or as the untrained twin of a trained one."""

    entry: Entry[BackboneCard]
    weights: Weights
    settings: Mapping[str, Any]
    changed: Mapping[str, Any]
    control: bool

    @property
    def display(self) -> str:
        """The name as a person writes it."""
        twin = self.entry.card.released and self.weights.kind == "untrained"
        return self.entry.name + (UNTRAINED if twin else "")

    @property
    def label(self) -> str:
        """The weights as a board shows them: the release tag, ``untrained``, ``none`` or ``file:<sha8>``."""
        if self.weights.kind == "file":
            return f"file:{keys.weights_facts(self.entry.card, self.weights)['file'][:8]}"
        return "untrained" if self.weights.kind == "untrained" else self.entry.card.weights

    @property
    def facts(self) -> dict[str, Any]:
        """What goes into the features key: of a card that shuffles another's tokens, what goes into the other's."""
        card, settings = self.entry.card, dict(self.settings)
        if card.shuffles:
            del settings["shuffle_seed"]
        facts = keys.card_facts(card, self.entry.plugin, settings)
        return facts | {"name": card.shuffles or card.name, "weights": keys.weights_facts(card, self.weights)}


def pick_backbones(
    text: str,
    registry: Registry,
    given: Assignments,
    *,
    simulated: bool,
    weights: Sequence[str],
    controls: bool,
    device: str,
) -> list[BackbonePick]:
    """The backbones of a run: those asked for first, then the controls that they do not already hold.

    device: where they will run, for what their settings leave to it.
    """
    everywhere, files = _parse_weights(weights, registry)
    chosen: dict[tuple[str, str], tuple[Entry[BackboneCard], Weights]] = {}
    for part in split_list(text, "backbones"):
        name, untrained = part.removesuffix(UNTRAINED), part.endswith(UNTRAINED)
        entries = representatives(registry, simulated) if name == "all" else registry.backbones.match(name)
        for entry in entries:
            kind = _weights(entry.card, untrained or everywhere, files, asked=untrained and name == entry.name)
            chosen.setdefault((entry.name, kind.kind), (entry, kind))
    if unused := files.keys() - {name for name, kind in chosen if kind == "file"}:
        raise UsageError(
            f"--weights {min(unused)}=...: this backbone is not selected, so the file would have no effect"
        )
    for entry, kind in list(chosen.values()) if controls else ():
        if kind.kind != "untrained" and entry.card.released:
            chosen.setdefault((entry.name, "untrained"), (entry, Weights("untrained")))
    for entry in registry.backbones if controls else ():
        if entry.card.control:
            kind = _weights(entry.card, False, {}, asked=False)
            chosen.setdefault((entry.name, kind.kind), (entry, kind))
    if not chosen:
        raise UsageError(
            f"--backbones {text}: no family is installed besides the controls; install a plugin, e.g. brainbench-plugin-clip"
        )
    return [_pick(entry, kind, given, device) for entry, kind in chosen.values()]


def representatives(registry: Registry, simulated: bool) -> list[Entry[BackboneCard]]:
    """One card a family: on simulated data the ``mini``, elsewhere the ``default``, or the default, or the first."""
    families: dict[str, list[Entry[BackboneCard]]] = {}
    for entry in registry.backbones:
        # A name pattern is nobody's representative.
        if not (entry.card.control or entry.card.pattern):
            families.setdefault(entry.card.family, []).append(entry)

    def rank(entry: Entry[BackboneCard]) -> tuple[bool, bool]:
        return (not (simulated and entry.card.mini), not entry.card.default)

    return [min(entries, key=rank) for entries in families.values()]


def _pick(entry: Entry[BackboneCard], weights: Weights, given: Assignments, device: str) -> BackbonePick:
    settings, changed = given.resolve(entry.card)
    if settings["precision"] == "auto":
        # Features of either kind are kept apart by their key.
        pays = device.startswith("cuda") and entry.card.weights != "none"
        settings["precision"] = "bfloat16" if pays else "float32"
    twin = weights.kind == "untrained" and entry.card.released
    return BackbonePick(entry, weights, settings, changed, control=entry.card.control or twin)


def _weights(card: BackboneCard, untrained: bool, files: Mapping[str, Path], *, asked: bool) -> Weights:
    if not card.released and card.weights != "untrained":
        if asked:
            raise UsageError(f"{card.name}{UNTRAINED}: {card.name} has no weights of its own to leave out")
        return Weights("release")
    if untrained:
        return Weights("untrained")
    if card.name in files:
        return Weights("file", files[card.name])
    return Weights("untrained") if card.weights == "untrained" else Weights("release")


def _parse_weights(texts: Iterable[str], registry: Registry) -> tuple[bool, dict[str, Path]]:
    everywhere, files = False, {}
    for text in texts:
        if text == "untrained":
            everywhere = True
            continue
        name, equals, path = text.partition("=")
        if not equals:
            raise UsageError(
                f"--weights {text}: expected 'untrained' or NAME=FILE, e.g. clip/vit-b-16-openai=model.safetensors"
            )
        entry = registry.backbones.get(name)
        if entry.card.weights in ("none", "in memory"):
            raise UsageError(f"--weights {text}: {name} has no weights to load")
        found = Path(path).expanduser()
        if not (found.exists() if entry.card.snapshot else found.is_file()):
            raise UsageError(f"--weights {text}: no such file: {path}")
        files[name] = found
    return everywhere, files
