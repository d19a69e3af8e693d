"""What a run uses: backbones (single or joint), encoders and metrics, with their settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic

from brainbench.cards import BackboneCard, EncoderCard, MetricCard
from brainbench.engines import EngineCard
from brainbench.errors import UsageError, did_you_mean
from brainbench.planning import keys
from brainbench.planning.request import Request
from brainbench.planning.settings import Assignments
from brainbench.plugins import Plugin
from brainbench.protocols import Dataset
from brainbench.registry import JOIN, C, Entry, Registry, split_list
from brainbench.types import Weights
from brainbench.util.hashing import digest

UNTRAINED = "@untrained"


@dataclass(frozen=True)
class Pick(Generic[C]):
    """Something installed that a run uses."""

    entry: Entry[C]

    @property
    def card(self) -> C:
        """Its card."""
        return self.entry.card

    @property
    def plugin(self) -> Plugin:
        """The plugin that provides it."""
        return self.entry.plugin

    @property
    def name(self) -> str:
        """The card's name."""
        return self.entry.name


@dataclass(frozen=True)
class BackbonePick(Pick[BackboneCard]):
    """A backbone with its weights and settings.

    control: shown unranked, because its card says so or because it is the untrained twin of a trained network; tap_set:
    whether the user set where its layers are read; task: what follows the @ in the name of a tuned network.
    """

    weights: Weights
    settings: Mapping[str, Any]
    changed: Mapping[str, Any]
    control: bool
    tap_set: bool = False
    task: str = ""

    @property
    def networks(self) -> tuple[BackbonePick, ...]:
        """The networks that run for it: only itself."""
        return (self,)

    @property
    def display(self) -> str:
        """The name as the user writes it."""
        if self.task:
            return f"{self.name}@{self.task}"
        twin = self.card.released and self.weights.kind == "untrained"
        return self.name + (UNTRAINED if twin else "")

    @property
    def label(self) -> str:
        """The weights as a board shows them: the release tag, ``untrained``, ``none``, ``file:<sha8>`` or ``tuned:<sha8>``."""
        kind = self.weights.kind
        if kind in ("file", "tuned"):
            return f"{kind}:{keys.weights_facts(self.card, self.weights)[kind][:8]}"
        return "untrained" if self.weights.kind == "untrained" else self.card.weights

    @property
    def licence(self) -> str | None:
        """Licence of the weights. The card's is that of its release; of a local file nothing is known."""
        return "not known (a local file)" if self.weights.kind == "file" else self.card.licence

    @property
    def facts(self) -> dict[str, Any]:
        """What goes into the features key. A card that shuffles another card's tokens uses that card's ingredients."""
        card, settings = self.card, dict(self.settings)
        if card.shuffles:
            del settings["shuffle_seed"]
        facts = keys.card_facts(card, self.plugin, settings)
        return facts | {"name": card.shuffles or card.name, "weights": keys.weights_facts(card, self.weights)}

    def read_at(self, tap: str) -> BackbonePick:
        """Return this pick with ``tap``. Unchanged if the user set a tap or the card does not offer this one."""
        if self.tap_set or tap not in self.card.taps:
            return self
        usual = self.card.resolve_settings({})["tap"]
        changed = {key: value for key, value in self.changed.items() if key != "tap"}
        return replace(
            self,
            settings={**self.settings, "tap": tap},
            changed=changed if tap == usual else changed | {"tap": tap},
        )


@dataclass(frozen=True)
class JointPick:
    """A joint backbone: it has the layers of several networks, in this order."""

    networks: tuple[BackbonePick, ...]

    @property
    def display(self) -> str:
        """The name as the user writes it."""
        return JOIN.join(network.display for network in self.networks)

    @property
    def label(self) -> str:
        """The weights as a board shows them: ``mini-1 + untrained``, or once if all are the same."""
        return " + ".join(dict.fromkeys(network.label for network in self.networks))

    @property
    def facts(self) -> dict[str, Any]:
        """What goes into the features key."""
        return {"joint": [network.facts for network in self.networks]}

    @property
    def settings(self) -> dict[str, Any]:
        """The settings that all networks share, and the others as ``<network>.<setting>``."""
        return _together([n.display for n in self.networks], [n.settings for n in self.networks])

    @property
    def changed(self) -> dict[str, Any]:
        """The settings that the user changed, named in the same way."""
        return _together([n.display for n in self.networks], [n.changed for n in self.networks])

    @property
    def control(self) -> bool:
        """Whether it is shown unranked, which is the case if all its networks are controls."""
        return all(network.control for network in self.networks)

    def read_at(self, tap: str) -> JointPick:
        """Return this pick with each network's layers read at ``tap``, as ``BackbonePick.read_at``."""
        return JointPick(tuple(network.read_at(tap) for network in self.networks))


AnyBackbone = BackbonePick | JointPick


def _together(names: Sequence[str], each: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    found = {}
    for name, settings in zip(names, each, strict=True):
        for key, value in settings.items():
            alike = all(key in other and other[key] == value for other in each)
            found[key if alike else f"{name}.{key}"] = value
    return found


@dataclass(frozen=True)
class EncoderPick(Pick[EncoderCard]):
    """An encoder with its settings."""

    settings: Mapping[str, Any]
    changed: Mapping[str, Any]

    def reads(self, backbone: AnyBackbone) -> AnyBackbone:
        """Return the backbone as this encoder reads it: at the encoder's own tap, if it has one and the backbone offers it."""
        return backbone.read_at(self.settings["tap"]) if "tap" in self.settings else backbone

    @property
    def facts(self) -> dict[str, Any]:
        """What goes into the job key."""
        return keys.card_facts(self.card, self.plugin, self.settings)


@dataclass(frozen=True)
class MetricPick(Pick[MetricCard]):
    """A metric with its settings. version: distinguishes its scores in records and on boards."""

    settings: Mapping[str, Any]
    version: str

    @property
    def code(self) -> str:
        """What its figures depend on besides the version: its plugin's code and the libraries on its card."""
        facts = keys.card_facts(self.card, self.plugin, {})
        return digest([facts["code"], facts["libraries"]])


@dataclass(frozen=True)
class EnginePick(Pick[EngineCard]):
    """Where jobs are done. Nothing of it goes into a key: figures are the same on every engine."""

    settings: Mapping[str, Any]


@dataclass(frozen=True)
class Choice:
    """What a request selects, with settings."""

    backbones: tuple[AnyBackbone, ...]
    encoders: tuple[EncoderPick, ...]
    metrics: tuple[MetricPick, ...]


def pick_encoders(request: Request, registry: Registry, given: Assignments, simulated: bool) -> list[EncoderPick]:
    """Return the encoders of a run with their settings."""
    picks = []
    for entry in registry.encoders.select(request.encoders):
        settings, changed = given.resolve(entry.card, simulated=simulated)
        picks.append(EncoderPick(entry, settings, changed))
    return picks


def pick_metrics(request: Request, registry: Registry, given: Assignments) -> list[MetricPick]:
    """Return the metrics of a run: the requested ones, or those whose card says ``default``."""
    if request.metrics is None:
        entries = tuple(entry for entry in registry.metrics if entry.card.default)
    else:
        entries = registry.metrics.select(request.metrics)
    return [pick_metric(entry, given) for entry in entries]


def pick_metric(entry: Entry[MetricCard], given: Assignments) -> MetricPick:
    """Return a metric with its settings. Settings that the user changed become part of its version."""
    settings, changed = given.resolve(entry.card)
    suffix = "".join(f" {key}={value}" for key, value in sorted(changed.items()))
    return MetricPick(entry, settings, entry.card.version + suffix)


def pick_engine(request: Request, registry: Registry, given: Assignments) -> EnginePick:
    """Return the engine of a run with its settings."""
    entry = registry.engines.get(request.engine)
    return EnginePick(entry, given.resolve(entry.card)[0])


def pick_subjects(request: Request, dataset: Dataset) -> list[str]:
    """Return the requested subjects, or all. Raises UsageError for a subject that the dataset does not have."""
    known = list(dataset.subjects)
    if request.subjects is None:
        return known
    # A name may hold a comma itself.
    wanted = [request.subjects] if request.subjects in known else split_list(request.subjects, "subjects")
    for name in wanted:
        if name not in known:
            raise UsageError(
                f"--subjects {name}: no such subject{did_you_mean(name, known)}; there are: {', '.join(known)}"
            )
    return list(dict.fromkeys(wanted))
