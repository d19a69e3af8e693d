"""Content keys. Each stage's key extends the one before, so a change anywhere upstream gives a new key downstream.

backbone key   card, plugin and library versions, loader source, weights, settings
features key   backbone key + the images' bytes + grid + this extractor's version
job key        features key + encoder key + responses and split + seed
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from brainbench.backbones.packaged_weights import is_shipped
from brainbench.cards import Card, lazy
from brainbench.plugins import Plugin, library_version
from brainbench.types import Weights
from brainbench.util.hashing import digest, file_sha256

# Raise when the same backbone and images would be stored differently.
EXTRACTOR_VERSION = 2
# Raise when the same fit would be scored or stored differently.
JOB_VERSION = 2
# Settings that change how a result is computed, not what it is.
_IMMATERIAL = ("batch",)


@cache
def _content(path: Path, _size: int, _modified: int) -> str:
    return file_sha256(path)


def file_digest(path: Path) -> str:
    """Return the sha256 of a file. It is computed again only if the file's size or time of change differs."""
    stat = path.stat()
    return _content(path, stat.st_size, stat.st_mtime_ns)


def folder_digest(folder: Path) -> str:
    """Return the sha256 over the names and contents of all files below a folder."""
    return digest({str(p.relative_to(folder)): file_digest(p) for p in sorted(folder.rglob("*")) if p.is_file()})


def card_facts(card: Card, plugin: Plugin, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return what identifies a card's object: its name, code, versions and settings."""
    return {
        "name": card.name,
        "card_version": card.version,
        "plugin": str(plugin),
        "code": _loader_code(card),
        "libraries": {name: library_version(name) for name in card.libraries},
        "settings": {k: v for k, v in settings.items() if k not in _IMMATERIAL},
    }


def weights_facts(card: Card, weights: Weights) -> dict[str, Any]:
    """Return what identifies the weights, without loading them: the release, the file's bytes, or torch, which draws them."""
    if weights.kind == "file" and weights.path is not None:
        return {"file": folder_digest(weights.path) if weights.path.is_dir() else file_digest(weights.path)}
    if weights.kind == "untrained":
        return {"untrained": library_version("torch")}
    if is_shipped(getattr(card, "source", None)):
        # Only the plugin has these weights, so the tag says less than that of a public release.
        return {"release": getattr(card, "weights", ""), "sha256": getattr(card, "sha256", "")}
    return {"release": getattr(card, "weights", "")}


def features_key(backbone: Mapping[str, Any], stimuli_key: str, grid: str) -> tuple[str, dict[str, Any]]:
    """Return (key, its ingredients). The ingredients are stored with the features, to explain why something was not a hit."""
    ingredients = {"backbone": dict(backbone), "stimuli": stimuli_key, "grid": grid, "extractor": EXTRACTOR_VERSION}
    return digest(ingredients), ingredients


def job_key(features: str, encoder: Mapping[str, Any] | None, data: Mapping[str, Any], seed: int) -> str:
    """Return the key of one fit. ``data`` identifies responses, split, dataset and subject."""
    parts = {"features": features, "encoder": encoder, "data": dict(data), "seed": seed, "job": JOB_VERSION}
    return digest(parts)


def _loader_code(card: Card) -> str:
    """Return the sha256 of the module that builds the object, so that an edit gives new features whatever the version is."""
    loader, arguments = (
        (card.loader.func, card.loader.keywords) if isinstance(card.loader, partial) else (card.loader, {})
    )
    if not isinstance(loader, lazy):
        # Made in memory: from_module puts the weights' and layers' digest into the card's version.
        return card.version
    spec = find_spec(loader.module)
    source = file_digest(Path(spec.origin)) if spec and spec.origin and Path(spec.origin).is_file() else ""
    return digest([source, repr(sorted(arguments.items()))])
