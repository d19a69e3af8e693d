"""The work behind ``brainbench data make``: write small simulated datasets in a dataset's own layout."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from brainbench.cards import DatasetCard
from brainbench.errors import UsageError, did_you_mean
from brainbench.plugins import blamed
from brainbench.registry import Entry, Registry
from brainbench.util.files import storage


def makers(registry: Registry) -> list[Entry[DatasetCard]]:
    """Return the datasets that can be simulated."""
    return [entry for entry in registry.datasets if entry.card.maker is not None]


def make(name: str, folder: Path, settings: Sequence[str], registry: Registry) -> None:
    """Write the dataset to ``folder``, which must be new or empty. settings: ``key=value`` texts.

    Raises UsageError, before anything is written, for a dataset that cannot be simulated, an invalid setting or a folder in
    use.
    """
    entry = registry.datasets.get(name)
    if entry.card.maker is None:
        known = ", ".join(other.name for other in makers(registry)) or "none installed"
        raise UsageError(f"{name}: cannot be simulated; available: {known}")
    resolved = _resolved(entry.card, settings)
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise UsageError(f"{folder}: exists and is not empty; name a new or an empty folder")
    with blamed(entry.plugin, f"make {folder}", f"dataset {name}"), storage(folder):
        folder.mkdir(parents=True, exist_ok=True)
        entry.card.maker(folder=folder, settings=resolved)


def _resolved(card: DatasetCard, settings: Sequence[str]) -> dict[str, Any]:
    known = {setting.name: setting for setting in card.maker_settings}
    resolved = {name: setting.default for name, setting in known.items()}
    for text in settings:
        key, equals, value = text.partition("=")
        if not equals or key not in known:
            allowed = ", ".join(f"{name}={setting.default}" for name, setting in known.items()) or "none"
            raise UsageError(
                f"--set {text}: simulating {card.name} has no setting {key!r}{did_you_mean(key, known)}; "
                f"expected key=value, one of: {allowed}"
            )
        resolved[key] = known[key].parse(value, card.name)
    return resolved
