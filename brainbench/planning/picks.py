"""A backbone as a run will use it: its card, weights and settings; or several of them, whose layers are taken as one's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from brainbench.cards import BackboneCard
from brainbench.planning import keys
from brainbench.plugins import Plugin
from brainbench.registry import JOIN, Entry
from brainbench.types import Weights

UNTRAINED = "@untrained"


@dataclass(frozen=True)
class BackbonePick:
    """A backbone as it runs.

    control: shown unranked, because its card says so or as the untrained twin of a trained one; tap_set: whether somebody set
    where its layers are read; members: those that it joins, if it is several as one.
    """

    entry: Entry[BackboneCard]
    weights: Weights
    settings: Mapping[str, Any]
    changed: Mapping[str, Any]
    control: bool
    tap_set: bool = False
    members: tuple[BackbonePick, ...] = ()

    @property
    def networks(self) -> tuple[BackbonePick, ...]:
        """The networks that run for it: its members, or itself."""
        return self.members or (self,)

    @property
    def display(self) -> str:
        """The name as a person writes it."""
        twin = self.entry.card.released and self.weights.kind == "untrained"
        return self.entry.name + (UNTRAINED if twin else "")

    @property
    def label(self) -> str:
        """The weights as a board shows them: the release tag, ``untrained``, ``none`` or ``file:<sha8>``.

        Of several backbones one after the other, ``mini-1 + untrained``, or once where all are the same.
        """
        if self.members:
            return " + ".join(dict.fromkeys(member.label for member in self.members))
        if self.weights.kind == "file":
            return f"file:{keys.weights_facts(self.entry.card, self.weights)['file'][:8]}"
        return "untrained" if self.weights.kind == "untrained" else self.entry.card.weights

    @property
    def facts(self) -> dict[str, Any]:
        """What goes into the features key: of a card that shuffles another's tokens, what goes into the other's."""
        if self.members:
            return {"joint": [member.facts for member in self.members]}
        card, settings = self.entry.card, dict(self.settings)
        if card.shuffles:
            del settings["shuffle_seed"]
        facts = keys.card_facts(card, self.entry.plugin, settings)
        return facts | {"name": card.shuffles or card.name, "weights": keys.weights_facts(card, self.weights)}

    def read_at(self, tap: str) -> BackbonePick:
        """The same, its layers read at this tap; unless somebody set another, or its card does not offer it."""
        if self.members:
            return joined([member.read_at(tap) for member in self.members])
        if self.tap_set or tap not in self.entry.card.taps:
            return self
        usual = self.entry.card.resolve_settings({})["tap"]
        changed = {key: value for key, value in self.changed.items() if key != "tap"}
        return replace(
            self,
            settings={**self.settings, "tap": tap},
            changed=changed if tap == usual else changed | {"tap": tap},
        )


def joined(members: Sequence[BackbonePick]) -> BackbonePick:
    """Several backbones as one, whose layers are theirs, in this order.

    Its settings are those that all members have alike, and the others as ``<member>.<setting>``.
    """
    names = [member.display for member in members]
    card = BackboneCard(name=JOIN.join(names), loader=_each_alone, weights="none")
    return BackbonePick(
        # What joins them is brainbench's own; the members' plugins answer for their tokens.
        Entry(card, Plugin("joint", "brainbench", keys.library_version("brainbench"))),
        Weights("release"),
        settings=_together(names, [member.settings for member in members]),
        changed=_together(names, [member.changed for member in members]),
        control=all(member.control for member in members),
        members=tuple(members),
    )


def _each_alone(**_: Any) -> Any:
    raise TypeError("several backbones as one are loaded one by one")


def _together(names: Sequence[str], each: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    found = {}
    for name, settings in zip(names, each, strict=True):
        for key, value in settings.items():
            alike = all(key in other and other[key] == value for other in each)
            found[key if alike else f"{name}.{key}"] = value
    return found
