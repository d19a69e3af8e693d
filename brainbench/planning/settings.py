"""``--set NAME.key=value`` -> the settings of each card."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any

from brainbench.cards import Card, EncoderCard
from brainbench.errors import UsageError, did_you_mean
from brainbench.registry import Registry
from brainbench.util.texts import one_line


class Assignments:
    """The ``--set`` texts of one run. NAME is a card's name, a family or a glob (``*.steps=100``)."""

    def __init__(self, pairs: Iterable[str]) -> None:
        self._parsed = [_parse(text) for text in pairs]
        self._unused = list(self._parsed)

    def resolve(self, card: Card, *, simulated: bool = False) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return (all settings of this card, those that the user changed).

        On simulated data an encoder's ``steps`` defaults to its card's ``demo_steps``, unless the user chose another
        recipe, or passes over the data instead of steps. Raises UsageError for an unknown key or a value that is not
        allowed.
        """
        return _resolved(card, self._given(card), simulated)

    def sets(self, card: Card, key: str) -> bool:
        """Whether the user set this setting of this card."""
        return key in self._given(card)

    def variants(self, card: Card, listed: str) -> list[tuple[dict[str, Any], dict[str, Any]]]:
        """Return what ``resolve`` returns, once for every value of the setting ``listed``, which may be a comma list."""
        given = self._given(card)
        if listed not in given:
            return [_resolved(card, given, simulated=False)]
        values = dict.fromkeys(part.strip() for part in given[listed].split(","))
        return [_resolved(card, given | {listed: value}, simulated=False) for value in values]

    def check_used(self, registry: Registry) -> None:
        """Raise UsageError for the first assignment that applies to no selected card."""
        for name, key, value in self._unused:
            text = f"--set {name}.{key}={value}"
            cards: list[Card] = [entry.card for shelf in registry.shelves() for entry in shelf]
            named = [card for card in cards if _meant(name, card)]
            if not named:
                raise UsageError(f"{text}: unknown name {name!r}{did_you_mean(name, _names(cards))}")
            keys = {s.name for card in named for s in card.all_settings()}
            if key not in keys:
                raise UsageError(
                    f"{text}: no setting {key!r}{did_you_mean(key, keys)}; allowed: {', '.join(sorted(keys))}"
                )
            raise UsageError(f"{text}: this run selects nothing of this name, so the setting would have no effect")

    def _given(self, card: Card) -> dict[str, Any]:
        known = {s.name for s in card.all_settings()}
        given: dict[str, Any] = {}
        for item in self._parsed:
            name, key, value = item
            # A family or glob may apply to cards without this setting; an exact name may not.
            if name == card.name or (_meant(name, card) and key in known):
                given[key] = value
                self._unused = [other for other in self._unused if other != item]
        return given


def _resolved(card: Card, given: Mapping[str, Any], simulated: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    settings, defaults = card.resolve_settings(given), card.resolve_settings({})
    own_length = "passes" in given or settings.get("recipe") != defaults.get("recipe")
    if simulated and isinstance(card, EncoderCard) and card.demo_steps is not None and not own_length:
        defaults["steps"] = card.demo_steps
        if "steps" not in given:
            settings["steps"] = card.demo_steps
    return settings, {key: value for key, value in settings.items() if value != defaults[key]}


def _parse(text: str) -> tuple[str, str, str]:
    left, equals, value = text.partition("=")
    name, dot, key = left.strip().rpartition(".")
    if not (equals and dot and name and key):
        raise UsageError(f"--set {one_line(text)}: expected NAME.key=value, e.g. --set factortopy.steps=500")
    return name, key, value.strip()


def _meant(name: str, card: Card) -> bool:
    return name in (card.name, card.family) or fnmatchcase(card.name, name)


def _names(cards: Iterable[Card]) -> set[str]:
    return {name for card in cards for name in (card.name, card.family)}
