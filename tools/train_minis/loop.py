"""The training of one miniature network: AdamW, a cosine schedule, a log beside the weights."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import torch

from brainbench.training import StateStore, TrainingPlan, warmup_cosine
from brainbench.training import train as run
from tools.train_minis.objective import Objective, Recipe
from tools.train_minis.stream import Stream


def train(
    objective: Objective, recipe: Recipe, stream: Stream, folder: Path, seed: int, say: Callable[[str], None]
) -> float:
    """Train to the end, resuming from ``folder/states`` if there is one; returns the last loss of ``folder/log.jsonl``."""
    module, steps = objective.module, recipe.images // recipe.batch
    plan = TrainingPlan(steps, seed, warmup_cosine(recipe.warmup), clip=3.0)
    optimiser = torch.optim.AdamW(_groups(module, recipe.decay), lr=recipe.rate, betas=(0.9, 0.95))

    def after_step(step: int) -> dict[str, float]:
        objective.after_step((step - 1) / steps)
        return {}

    def progress(done: int, total: int, text: str) -> None:
        if done % plan.log_every == 0 or done == total:
            say(f"{folder.name}: step {done} of {total}, {text}")

    module.train()
    log = run(
        lambda step: objective.loss(stream.take(step * recipe.batch, recipe.batch), step / steps),
        module,
        optimiser,
        plan,
        store=StateStore(folder / "states", f"{folder.name} {asdict(recipe)} {seed}"),
        after_step=after_step,
        progress=progress,
        message=lambda text: say(f"{folder.name}: {text}"),
    )
    module.eval()
    (folder / "log.jsonl").write_text("".join(json.dumps(_line(line, recipe.batch)) + "\n" for line in log))
    return round(log[-1]["loss"], 5)


def _line(line: dict[str, float], batch: int) -> dict[str, float]:
    return {"step": line["step"], "images": line["step"] * batch, "loss": round(line["loss"], 5)}


def _groups(module: torch.nn.Module, decay: float) -> list[dict[str, object]]:
    """Matrices decay, biases and norms do not; what has no gradient is left out."""
    trained = [p for p in module.parameters() if p.requires_grad]
    return [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": decay},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]
