"""What a plugin ships: half-precision safetensors, and a JSON of how they came to be."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from brainbench import file_sha256
from tools.train_minis.objective import Objective, Recipe
from tools.train_minis.stream import Stream

_HELD_OUT, _PROBE = 2000, 4000
_LIMIT = 3_000_000
_PACKAGES = Path(__file__).parents[2] / "plugins"


def report(
    objective: Objective, untrained: Objective, recipe: Recipe, stream: Stream, held_out: Stream, seed: int
) -> dict[str, Any]:
    """Training facts and the figures on held-out scenes, trained and untrained."""
    seen, asked = stream.take(0, _PROBE), held_out.take(0, _HELD_OUT)

    def figures(one: Objective) -> dict[str, float]:
        one.module.eval()
        torch.manual_seed(seed)
        return {name: round(value, 4) for name, value in one.figures(seen, asked).items()}

    return {"seed": seed, "recipe": asdict(recipe), "held_out": figures(objective), "untrained": figures(untrained)}


def ship(objective: Objective, facts: Mapping[str, Any], folder: Path, family: str | None) -> Path:
    """Write ``mini.safetensors`` and ``mini.json`` into ``folder``, or into the package of a family's plugin."""
    place = _PACKAGES / f"brainbench-plugin-{family}/src/brainbench_{family}" if family else folder
    path = place / "mini.safetensors"
    save_file({name: tensor.detach().half().contiguous() for name, tensor in objective.state().items()}, path)
    size = path.stat().st_size
    if size > _LIMIT:
        raise RuntimeError(f"{path} has {size / 1e6:.1f} MB; a plugin may ship {_LIMIT / 1e6:.0f} MB")
    (place / "mini.json").write_text(json.dumps({**facts, "sha256": file_sha256(path)}, indent=1) + "\n")
    return path
