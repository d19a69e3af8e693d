"""The training loop: AdamW, a cosine schedule, a log, and checkpoints from which it goes on to the same weights."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from pathlib import Path

import torch

from brainbench.datasets import drafted
from tools.train_minis.objective import Objective, Recipe
from tools.train_minis.stream import Stream

_KEEP_EVERY = 120.0  # seconds between checkpoints
_LOG_EVERY = 50  # steps


def train(
    objective: Objective, recipe: Recipe, stream: Stream, folder: Path, seed: int, say: Callable[[str], None]
) -> float:
    """Train to the end, going on from ``folder/checkpoint.pt`` if there is one; returns the last loss of ``folder/log.jsonl``."""
    folder.mkdir(parents=True, exist_ok=True)
    module, steps = objective.module, recipe.images // recipe.batch
    optimiser = torch.optim.AdamW(_groups(module, recipe.decay), lr=recipe.rate, betas=(0.9, 0.95))
    first = _resume(folder / "checkpoint.pt", module, optimiser)
    log = [line for line in _lines(folder / "log.jsonl") if line["step"] <= first]
    kept, total, since = time.monotonic(), 0.0, 0
    module.train()
    for step in range(first, steps):
        progress = step / steps
        for group in optimiser.param_groups:
            group["lr"] = recipe.rate * _schedule(progress, recipe.warmup)
        # Every step has randomness of its own, so that one that goes on sees what it would have seen.
        torch.manual_seed(seed * 1_000_003 + step)
        loss = objective.loss(stream.take(step * recipe.batch, recipe.batch), progress)
        if not bool(loss.isfinite()):
            raise RuntimeError(f"{folder.name}: the loss is {loss.item()} at step {step}; lower the rate")
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(module.parameters(), 3.0)
        optimiser.step()
        objective.after_step(progress)
        total, since = total + loss.item(), since + 1
        if (step + 1) % _LOG_EVERY == 0 or step + 1 == steps:
            log.append({"step": step + 1, "images": (step + 1) * recipe.batch, "loss": round(total / since, 5)})
            say(f"{folder.name}: step {step + 1} of {steps}, loss {total / since:.4f}")
            total, since = 0.0, 0
        if time.monotonic() - kept > _KEEP_EVERY or step + 1 == steps:
            _keep(folder, module, optimiser, step + 1, log)
            kept = time.monotonic()
    module.eval()
    return float(log[-1]["loss"])


def _schedule(progress: float, warmup: float) -> float:
    return (
        progress / warmup if progress < warmup else 0.5 * (1 + math.cos(math.pi * (progress - warmup) / (1 - warmup)))
    )


def _groups(module: torch.nn.Module, decay: float) -> list[dict[str, object]]:
    """Matrices decay, biases and norms do not; what has no gradient is left out."""
    trained = [p for p in module.parameters() if p.requires_grad]
    return [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": decay},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]


def _resume(path: Path, module: torch.nn.Module, optimiser: torch.optim.Optimizer) -> int:
    if not path.exists():
        return 0
    kept = torch.load(path, weights_only=True)
    module.load_state_dict(kept["module"])
    optimiser.load_state_dict(kept["optimiser"])
    return int(kept["step"])


def _keep(
    folder: Path, module: torch.nn.Module, optimiser: torch.optim.Optimizer, step: int, log: list[dict[str, float]]
) -> None:
    (folder / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in log))
    with drafted(folder / "checkpoint.pt") as draft:
        torch.save({"module": module.state_dict(), "optimiser": optimiser.state_dict(), "step": step}, draft)


def _lines(path: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
