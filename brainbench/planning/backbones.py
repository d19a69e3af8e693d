"""``--backbones``, ``--weights`` and controls -> the networks of a run, with their weights."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from brainbench.backbones.tuned_weights import find_tuned
from brainbench.cards import BackboneCard
from brainbench.errors import UsageError
from brainbench.planning.picks import UNTRAINED, AnyBackbone, BackbonePick, JointPick
from brainbench.planning.settings import Assignments
from brainbench.registry import JOIN, Entry, Registry, names_a_path, split_list, split_names
from brainbench.types import Weights

# (name as selected, kind of weights) of every network that runs.
Networks = tuple[tuple[str, str], ...]


def pick_backbones(
    text: str,
    registry: Registry,
    given: Assignments,
    *,
    simulated: bool,
    weights: Sequence[str],
    controls: bool,
    device: str,
) -> list[AnyBackbone]:
    """Return the backbones of a run: the requested ones, then the controls that are not among them.

    ``A+B`` is one joint backbone; no controls are made of it. device: where the backbones run, for settings that depend on
    it.
    """
    everywhere, files = _parse_weights(weights, registry)
    chosen: dict[Networks, AnyBackbone] = {}

    def named(part: str) -> list[BackbonePick]:
        if tuned := _tuned(part, registry):
            return [replace(_pick(entry, kind, given, device), task=task) for entry, kind, task in tuned]
        name, untrained = part.removesuffix(UNTRAINED), part.endswith(UNTRAINED)
        entries = representatives(registry, simulated) if name == "all" else registry.backbones.match(name)
        found = []
        for entry in entries:
            kind = _weights(entry.card, untrained or everywhere, files, asked=untrained and name == entry.name)
            found.append(_pick(entry, kind, given, device))
        return found

    for part in split_list(text, "backbones"):
        some: Sequence[AnyBackbone] = [_joint(part, named)] if len(split_names(part, JOIN)) > 1 else named(part)
        for pick in some:
            chosen.setdefault(_networks(pick), pick)
    used = {n.name for pick in chosen.values() for n in pick.networks if n.weights.kind == "file"}
    if unused := files.keys() - used:
        raise UsageError(
            f"--weights {min(unused)}=...: this backbone is not selected, so the file would have no effect"
        )
    alone = [pick for pick in chosen.values() if isinstance(pick, BackbonePick)]
    for pick in alone if controls else ():
        if pick.weights.kind != "untrained" and pick.card.released:
            twin = _pick(pick.entry, Weights("untrained"), given, device)
            chosen.setdefault(_networks(twin), twin)
    for entry in registry.backbones if controls else ():
        if entry.card.control:
            pick = _pick(entry, _weights(entry.card, False, {}, asked=False), given, device)
            chosen.setdefault(_networks(pick), pick)
    if not chosen:
        raise UsageError(
            f"--backbones {text}: only the controls are installed; install a plugin, e.g. brainbench-plugin-clip"
        )
    return list(chosen.values())


def representatives(registry: Registry, simulated: bool) -> list[Entry[BackboneCard]]:
    """Return one card per family: on simulated data the ``mini``, else the ``default``.

    A family without it is represented by its default or its first card.
    """
    families: dict[str, list[Entry[BackboneCard]]] = {}
    for entry in registry.backbones:
        # A pattern card represents no family.
        if not (entry.card.control or entry.card.pattern):
            families.setdefault(entry.card.family, []).append(entry)

    def rank(entry: Entry[BackboneCard]) -> tuple[bool, bool]:
        return (not (simulated and entry.card.mini), not entry.card.default)

    return [min(entries, key=rank) for entries in families.values()]


def _networks(pick: AnyBackbone) -> Networks:
    """Return what distinguishes two backbones of a run."""
    return tuple((network.display, network.weights.kind) for network in pick.networks)


def _joint(text: str, named: Callable[[str], list[BackbonePick]]) -> JointPick:
    """Return the joint backbone that ``A+B`` names. Raises UsageError if it names fewer than two.

    named: name or glob -> the backbones it selects.
    """
    parts = [part.strip() for part in split_names(text, JOIN)]
    if wrong := {"", "all"} & {part.removesuffix(UNTRAINED) for part in parts}:
        what = "all runs its families one by one" if "all" in wrong else "an empty name"
        raise UsageError(f"--backbones {text}: {what}; join names or globs with +, e.g. clip/mini+mae/mini")
    members = {_networks(pick): pick for part in parts for pick in named(part)}
    if shuffles := [pick.display for pick in members.values() if pick.card.shuffles]:
        raise UsageError(
            f"--backbones {text}: {shuffles[0]} is a control of a whole run and cannot be part of a joint backbone; leave it out"
        )
    if len(members) < 2:
        only = next(iter(members.values())).display
        raise UsageError(
            f"--backbones {text}: means {only} alone; + joins two or more backbones: name another or remove +"
        )
    return JointPick(tuple(members.values()))


def _pick(entry: Entry[BackboneCard], weights: Weights, given: Assignments, device: str) -> BackbonePick:
    settings, changed = given.resolve(entry.card)
    if settings["precision"] == "auto":
        # Features of either kind are kept apart by their key.
        pays = device.startswith("cuda") and entry.card.weights != "none"
        settings["precision"] = "bfloat16" if pays else "float32"
    twin = weights.kind == "untrained" and entry.card.released
    control, tap_set = entry.card.control or twin, given.sets(entry.card, "tap")
    return BackbonePick(entry, weights, settings, changed, control, tap_set)


def _tuned(part: str, registry: Registry) -> list[tuple[Entry[BackboneCard], Weights, str]]:
    """Return the networks that ``NAME@TASK`` means; none if ``part`` is no such name.

    A glob means those of its networks that were tuned. Raises UsageError if there are none.
    """
    name, _, task = part.rpartition("@")
    if not name or part.endswith(UNTRAINED) or names_a_path(part, tuned=False):
        return []
    entries = registry.backbones.match(name)
    networks = [(entry, find_tuned(f"{entry.name}@{task}")) for entry in entries]
    found = [(entry, Weights("tuned", network.weights), task) for entry, network in networks if network is not None]
    if not found:
        raise UsageError(f"{part}: not tuned yet; `brainbench tune {name} --on {task.split('/')[0]}` makes it")
    return found


def _weights(card: BackboneCard, untrained: bool, files: Mapping[str, Path], *, asked: bool) -> Weights:
    if not card.released and card.weights != "untrained":
        if asked:
            raise UsageError(f"{card.name}{UNTRAINED}: {card.name} has no trained weights, so it has no untrained twin")
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
        if found.is_dir() and not entry.card.snapshot and not names_a_path(name):
            raise UsageError(f"--weights {text}: {path} is a folder; {name} takes one file, name it")
        if not (found.exists() if entry.card.snapshot else found.is_file()):
            raise UsageError(f"--weights {text}: no such file: {path}")
        files[name] = found
    return everywhere, files
