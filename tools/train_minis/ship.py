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
# Raise when the minis are trained anew: records of other weights are other records.
_RELEASE = "mini-1"
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
    """Write ``mini.safetensors`` and ``mini.json``, which ``brainbench.shipped`` reads, into ``folder`` or a family's plugin."""
    place = _PACKAGES / f"brainbench-plugin-{family}/src/brainbench_{family}" if family else folder
    path = place / "mini.safetensors"
    save_file({name: tensor.detach().half().contiguous() for name, tensor in objective.state().items()}, path)
    # safetensors writes for its owner alone, and a wheel keeps that.
    path.chmod(0o644)
    size = path.stat().st_size
    if size > _LIMIT:
        raise RuntimeError(f"{path} has {size / 1e6:.1f} MB; a plugin may ship {_LIMIT / 1e6:.0f} MB")
    images = facts["recipe"]["images"]
    card = {
        "release": _RELEASE,
        "sha256": file_sha256(path),
        "training_data": f"{images:,} scenes of the demo's generator, none of them in the demo",
        "training": f"{images:,} scenes, loss {facts['loss']:.3g} at the end; on {_HELD_OUT:,} others {_figures(facts)}",
    }
    (place / "mini.json").write_text(json.dumps({**card, **facts}, indent=1) + "\n")
    return path


def _figures(facts: Mapping[str, Any]) -> str:
    """Every figure of the objective beside the untrained network's and chance."""
    found, before = facts["held_out"], facts["untrained"]
    return ", ".join(
        f"{name.replace('_', ' ')} {value:.3g} (untrained {before[name]:.3g}, chance {found['chance_' + name]:.3g})"
        for name, value in found.items()
        if not name.startswith("chance_")
    )
