"""What ``dataset.toml`` says of an experiment."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from brainbench import DataError, did_you_mean
from brainbench.builtin.datasets.folder.space import MESHES


@dataclass(frozen=True)
class About:
    """name, licence and units as the experimenter writes them; simulated: no brain was measured; mesh: that of the voxels."""

    name: str
    licence: str | None = None
    units: str | None = None
    simulated: bool = False
    mesh: str | None = None


def read_about(root: Path) -> About:
    """Read ``dataset.toml``; without one the folder's name is the name. DataError for an unknown or ill-typed entry."""
    path = root / "dataset.toml"
    if not path.exists():
        return About(root.resolve().name)
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as problem:
        raise DataError(f"{path} cannot be read as TOML: {problem}") from problem
    for key, value in content.items():
        _check(path, key, value)
    return About(**{"name": root.resolve().name, **content})


def _check(path: Path, key: str, value: Any) -> None:
    allowed = [field.name for field in fields(About)]
    if key not in allowed:
        raise DataError(f"{path}: unknown entry {key!r}{did_you_mean(key, allowed)}; allowed are {', '.join(allowed)}")
    expected = bool if key == "simulated" else str
    if not isinstance(value, expected):
        raise DataError(
            f"{path}: {key} is {value!r}, expected {'true or false' if expected is bool else 'a text in quotes'}"
        )
    if key == "mesh" and value not in MESHES:
        raise DataError(
            f"{path}: mesh {value!r}; allowed is {', '.join(MESHES)}, any other goes into a folder surface/"
        )
