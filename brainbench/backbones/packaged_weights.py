"""Weights that a plugin carries in its own package: small networks, there without a download."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

_SCHEME = "package:"


def shipped(package: str, name: str = "mini") -> dict[str, Any]:
    """Fields of a BackboneCard (weights, source, sha256, training, training_data) for ``<name>.safetensors`` in ``package``.

    They are told by ``<name>.json`` beside it: release (the tag), sha256, training_data, training (one line). Imports nothing of
    the package. Raises FileNotFoundError if there is no such file.
    """
    facts = json.loads((_folder(package) / f"{name}.json").read_text())
    fields = {field: facts[field] for field in ("sha256", "training", "training_data")}
    return fields | {"weights": facts["release"], "source": f"{_SCHEME}{package}/{name}.safetensors"}


def is_shipped(source: str | None) -> bool:
    """Whether a card's source is a file of the plugin's own package."""
    return (source or "").startswith(_SCHEME)


def shipped_place(source: str) -> Path:
    """Where the file named by a card's source lies, or should lie."""
    package, _, file = source.removeprefix(_SCHEME).partition("/")
    return _folder(package) / file


def _folder(package: str) -> Path:
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError(f"no package {package}")
    return Path(spec.submodule_search_locations[0])
