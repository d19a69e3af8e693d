"""The contents of the cache, and how to clear it. Reads descriptions as JSON, so that it needs no array library."""

from __future__ import annotations

import json
import shutil
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from brainbench.util.files import locked


def entries(cache: Path) -> list[dict[str, Any]]:
    """Return one row per set of features: key, backbone, weights, stimuli, grid, size in MB, outcome of the last lookup."""
    lookups = _lookups(cache)
    rows = []
    for folder in sorted((cache / "features").glob("[!.]*")):
        try:
            attributes = json.loads((folder / "zarr.json").read_text())["attributes"]
        except (OSError, ValueError, KeyError):
            attributes = {}
        ingredients = attributes.get("ingredients", {})
        backbone = ingredients.get("backbone", {})
        rows.append(
            {
                "key": folder.name,
                "backbone": backbone.get("name", "unreadable"),
                "weights": " ".join(f"{k}:{str(v)[:8]}" for k, v in backbone.get("weights", {}).items()),
                "stimuli": attributes.get("stimuli", 0),
                "grid": ingredients.get("grid", ""),
                "mb": round(_size(folder) / 1e6, 1),
                "last lookup": lookups.get(folder.name, "never"),
            }
        )
    return rows


def remove(cache: Path, pattern: str) -> tuple[int, float]:
    """Delete the features of the matching backbones. Returns their number and size in MB."""
    chosen = [e for e in entries(cache) if fnmatchcase(e["backbone"], pattern)]
    features = cache / "features"
    for entry in chosen:
        # As the runs that read and fill them do.
        with locked(features / ".locks" / f"{entry['key'][:32]}.lock"):
            shutil.rmtree(features / entry["key"], ignore_errors=True)
    return len(chosen), sum(e["mb"] for e in chosen)


def datasets_mb(cache: Path) -> float:
    """Return the MB that datasets use in the cache: what they generated, and what they know about files."""
    if not cache.is_dir():
        return 0.0
    return round(sum(_size(path) for path in cache.iterdir() if path.is_dir() and path.name != "features") / 1e6, 1)


def log_lookup(cache: Path, key: str, backbone: str, why: str) -> None:
    """Add one line to the cache's log: the requested features, and whether and why they were computed."""
    with (cache / "lookups.jsonl").open("a") as log:
        log.write(json.dumps({"key": key, "backbone": backbone, "why": why}) + "\n")


def last_lookup(cache: Path, key: str) -> str | None:
    """Why these features were, or were not, computed when they were last asked for; None if they never were."""
    return _lookups(cache).get(key)


def what_differs(cache: Path, ingredients: dict[str, Any]) -> str:
    """Say why there was no hit: how the closest entry of the same backbone differs from ``ingredients``."""
    name = ingredients["backbone"]["name"]
    differences: list[list[str]] = []
    for path in sorted((cache / "features").glob("[!.]*/zarr.json")):
        try:
            other = json.loads(path.read_text())["attributes"]["ingredients"]
        except (OSError, ValueError, KeyError):
            continue
        if other["backbone"]["name"] == name:
            differences.append(sorted(_leaves_that_differ(ingredients, other)))
    if not differences:
        return f"nothing stored yet for {name}"
    return "changed: " + ", ".join(sorted(differences, key=len)[0])


def _lookups(cache: Path) -> dict[str, str]:
    try:
        lines = (cache / "lookups.jsonl").read_text().splitlines()
    except FileNotFoundError:
        return {}
    latest = {}
    for line in lines:
        try:
            entry = json.loads(line)
            latest[entry["key"]] = entry["why"]
        except (ValueError, KeyError):  # the line that a kill cut short
            continue
    return latest


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _leaves_that_differ(one: Any, other: Any, path: str = "") -> list[str]:
    if isinstance(one, dict) and isinstance(other, dict):
        keys = sorted(one.keys() | other.keys())
        return [p for k in keys for p in _leaves_that_differ(one.get(k), other.get(k), f"{path}.{k}".lstrip("."))]
    return [] if one == other else [path]
