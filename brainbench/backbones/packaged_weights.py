"""Weights that a plugin's own package contains: small networks that need no download."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

_SCHEME = "package:"


def shipped(package: str, name: str = "mini") -> dict[str, Any]:
    """Return the fields of a BackboneCard that describe ``<name>.safetensors`` in ``package``.

    The fields weights, source, sha256, training and training_data are read from ``<name>.json`` in the same folder: release
    (the tag), sha256, training_data, training (one line). Imports nothing from the package. Raises FileNotFoundError if
    there is no such file.
    """
    facts = json.loads((_folder(package) / f"{name}.json").read_text())
    fields = {field: facts[field] for field in ("sha256", "training", "training_data")}
    return fields | {"weights": facts["release"], "source": f"{_SCHEME}{package}/{name}.safetensors"}


def is_shipped(source: str | None) -> bool:
    """Whether a card's source is a file of the plugin's own package."""
    return (source or "").startswith(_SCHEME)


def shipped_place(source: str) -> Path:
    """Return the path of the file that a card's source names, whether or not it exists."""
    package, _, file = source.removeprefix(_SCHEME).partition("/")
    return _folder(package) / file


def _folder(package: str) -> Path:
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError(f"no package {package}")
    return Path(spec.submodule_search_locations[0])
