"""Content keys. Each stage's key extends the one before, so a change anywhere upstream gives a new key downstream.

backbone key   card, plugin and library versions, the plugin's code, weights, settings
features key   backbone key + the images' bytes + grid + this extractor's version
job key        features key + encoder key + responses and split + seed

Metrics are in no key: a record says which version and which code each figure was computed by.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cache, partial
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from brainbench.cards import BackboneCard, Card, DatasetCard, EncoderCard, MetricCard, lazy
from brainbench.errors import UsageError
from brainbench.plugins import Plugin, library_version
from brainbench.types import Weights
from brainbench.util.files import file_state
from brainbench.util.hashing import digest, file_sha256

# Raise when the same backbone and images would be stored differently.
EXTRACTOR_VERSION = 2
# Raise when the same fit would be scored or stored differently.
JOB_VERSION = 2
# Settings that change how a result is computed, not what it is.
_IMMATERIAL = ("batch",)

_PACKAGE = "brainbench"
# The parts of brainbench that decide what a card's object gives, by kind: those that its plugin builds on, and those that run it.
_BUILT_ON: Mapping[type[Card], tuple[str, ...]] = {
    BackboneCard: ("types.py", "backbones", "pipeline/extractor.py", "pipeline/image_loader.py"),
    EncoderCard: ("types.py", "fitting", "training", "metrics", "pipeline/encoding.py"),
    MetricCard: ("types.py", "metrics", "fitting", "pipeline/scores.py"),
    DatasetCard: ("types.py", "datasets"),
}
# Of brainbench's own cards of a kind, the code that makes their objects.
_BUILTIN: Mapping[type[Card], str] = {
    BackboneCard: "builtin/backbones",
    EncoderCard: "builtin/encoders",
    MetricCard: "builtin/metrics",
    DatasetCard: "builtin/datasets",
}
# Not code; weights that a plugin carries are identified by the sha256 on their card.
_NO_CODE = (".pyc", ".safetensors")


@cache
def _content(path: Path, _state: tuple[int, ...]) -> str:
    return file_sha256(path)


def file_digest(path: Path) -> str:
    """sha256 of a file, computed once as long as ``file_state`` stays the same."""
    return _content(path, file_state(path))


def folder_digest(folder: Path) -> str:
    """Return the sha256 over the names and contents of all files below a folder."""
    return digest({str(p.relative_to(folder)): file_digest(p) for p in sorted(folder.rglob("*")) if p.is_file()})


def card_facts(card: Card, plugin: Plugin, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return what identifies a card's object: its name, code, versions and settings."""
    return {
        "name": card.name,
        "card_version": card.version,
        "plugin": str(plugin),
        "code": code_digest(card, plugin),
        "libraries": {name: library_version(name) for name in card.libraries},
        "settings": {k: v for k, v in settings.items() if k not in _IMMATERIAL} | _contents(card, settings),
    }


def _contents(card: Card, settings: Mapping[str, Any]) -> dict[str, str]:
    """Return what is in the files and folders that settings name; raises UsageError for one that is not there."""
    named = {s.name: Path(settings[s.name]) for s in card.settings if s.path and settings.get(s.name)}
    for name, path in named.items():
        if not path.exists():
            raise UsageError(f"{card.name}.{name}={path}: nothing is there; give a file or a folder")
    return {name: _digest_at(path) for name, path in named.items()}


def _digest_at(path: Path) -> str:
    return folder_digest(path) if path.is_dir() else file_digest(path)


def weights_facts(card: Card, weights: Weights) -> dict[str, Any]:
    """Return what identifies the weights, without loading them: the release, the bytes of a file, or torch, which draws them."""
    if weights.kind == "tuned" and weights.path is not None:
        return {"tuned": file_digest(weights.path)}
    if weights.kind == "file" and weights.path is not None:
        return {"file": _digest_at(weights.path)}
    if weights.kind == "untrained":
        return {"untrained": library_version("torch")}
    # What a tag says is not always the same: a plugin may ship other weights, and a branch of the hub may move.
    told = {name: getattr(card, name, None) for name in ("sha256", "revision")}
    return {"release": getattr(card, "weights", "")} | {name: value for name, value in told.items() if value}


def features_key(backbone: Mapping[str, Any], stimuli_key: str, grid: str) -> tuple[str, dict[str, Any]]:
    """Return (key, its ingredients). The ingredients are stored with the features, to explain why something was not a hit."""
    ingredients = {"backbone": dict(backbone), "stimuli": stimuli_key, "grid": grid, "extractor": EXTRACTOR_VERSION}
    return digest(ingredients), ingredients


def job_key(features: str, encoder: Mapping[str, Any] | None, data: Mapping[str, Any], seed: int) -> str:
    """Return the key of one fit. ``data`` identifies responses, split, dataset and subject."""
    parts = {"features": features, "encoder": encoder, "data": dict(data), "seed": seed, "job": JOB_VERSION}
    return digest(parts)


def code_digest(card: Card, plugin: Plugin) -> str:
    """sha256 of the code that a card's object runs: an author who edits it gets new results, whatever the version says.

    It covers every import package of the plugin's distribution and the parts of brainbench that such a plugin builds on. Each
    is read once per process.
    """
    loader, arguments = (
        (card.loader.func, card.loader.keywords) if isinstance(card.loader, partial) else (card.loader, {})
    )
    module = loader.module if isinstance(loader, lazy) else getattr(loader, "__module__", None)
    packages = {*_packages(plugin.distribution), *([module.split(".")[0]] if module else [])}
    kind = next(kind for kind in _BUILT_ON if isinstance(card, kind))
    parts = [*_BUILT_ON[kind], *([_BUILTIN[kind]] if _PACKAGE in packages else [])]
    code = [_package_digest(name) for name in sorted(packages - {_PACKAGE})]
    return digest([code, _parts_digest(tuple(parts)), repr(sorted(arguments.items()))])


@cache
def _packages(name: str) -> frozenset[str]:
    """The import packages of a distribution: those of its entry points, and those that its list of files names."""
    try:
        found = distribution(name)
    except PackageNotFoundError:
        return frozenset()
    points = {point.module.split(".")[0] for point in found.entry_points}
    files = [file.parts for file in found.files or () if file.suffix == ".py"]
    listed = {parts[0].removesuffix(".py") for parts in files if len(parts) == 1 or parts[1:] == ("__init__.py",)}
    return frozenset({*points, *listed})


@cache
def _package_digest(name: str) -> str:
    """sha256 of the code of one import package, or of a module that stands alone; "" for what was typed at a prompt."""
    try:
        spec = find_spec(name)
    except (ImportError, ValueError):
        return ""
    if spec is None:
        return ""
    if spec.submodule_search_locations:
        return _tree_digest(Path(folder) for folder in spec.submodule_search_locations)
    return file_sha256(spec.origin) if spec.origin and Path(spec.origin).is_file() else ""


@cache
def _parts_digest(parts: tuple[str, ...]) -> str:
    root = Path(__file__).parents[1]
    return _tree_digest(root / part for part in parts)


def _tree_digest(roots: Iterable[Path]) -> str:
    found = []
    for root in roots:
        found += [[path.relative_to(root).as_posix(), file_sha256(path)] for path in _code_in(root)]
    return digest(found)


def _code_in(root: Path) -> Iterator[Path]:
    files = sorted(root.rglob("*")) if root.is_dir() else [root]
    return (path for path in files if path.is_file() and path.suffix not in _NO_CODE)
