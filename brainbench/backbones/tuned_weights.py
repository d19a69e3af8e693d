"""Networks that were tuned on a task: where they are in the cache, and the names by which runs select them. Light to import.

``tuned/<key>/`` holds one tuned network; ``tuned/names/`` says which key ``NAME@TASK`` means: the last one tuned under this name.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from brainbench.errors import WeightsError
from brainbench.util.files import file_name, write_atomically
from brainbench.util.folders import default_cache
from brainbench.util.kept import is_kept, is_whole

WEIGHTS, FACTS = "weights.safetensors", "tuned.json"


@dataclass(frozen=True)
class TunedNetwork:
    """A tuned network on disk. folder: with its weights and its record."""

    folder: Path

    @property
    def weights(self) -> Path:
        """The state dict of the backbone's module, without the head."""
        return self.folder / WEIGHTS

    def record(self) -> dict[str, Any]:
        """The record of the tuning: what was tuned on what, how, and how well it went."""
        content: dict[str, Any] = json.loads((self.folder / FACTS).read_text())
        return content

    def check(self) -> None:
        """Raise WeightsError unless the files are those that were written."""
        if not is_whole(self.folder):
            raise WeightsError(f"{self.folder} is damaged: delete the folder and run the same `brainbench tune` again")


def folder_of(key: str, cache: Path) -> Path:
    """Return the folder of the tuned network with this key."""
    return cache / "tuned" / key


def publish(name: str, key: str, cache: Path) -> None:
    """Let ``name``, such as ``clip/mini@eurosat``, mean the tuned network with this key."""
    path = _names(cache) / f"{file_name(name)}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, json.dumps({"name": name, "key": key}).encode())


def find_tuned(name: str, cache: Path | None = None) -> TunedNetwork | None:
    """Return the tuned network that ``name`` means; None if there is none. cache: None for the usual one."""
    return _opened(_names(cache or default_cache()) / f"{file_name(name)}.json")


def all_tuned(cache: Path) -> Iterator[TunedNetwork]:
    """Yield every tuned network that has a name, by name."""
    for path in sorted(_names(cache).glob("*.json")):
        if found := _opened(path):
            yield found


def _opened(path: Path) -> TunedNetwork | None:
    if not path.is_file():
        return None
    said: Mapping[str, str] = json.loads(path.read_text())
    folder = path.parents[1] / said["key"]
    return TunedNetwork(folder) if is_kept(folder) else None


def _names(cache: Path) -> Path:
    return cache / "tuned" / "names"
