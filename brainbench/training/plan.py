"""How long a training is, and how its learning rate changes."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

Schedule = Callable[[float], float]


def constant(progress: float) -> float:
    """Return 1: the learning rate does not change."""
    return 1.0


def warmup_cosine(warmup: float) -> Schedule:
    """Return a schedule that rises linearly during ``warmup`` (a share of the training) and then falls to 0 as a cosine."""
    return partial(_warmup_cosine, warmup=warmup)


def _warmup_cosine(progress: float, warmup: float) -> float:
    if progress < warmup:
        return progress / warmup
    return 0.5 * (1 + math.cos(math.pi * (progress - warmup) / (1 - warmup)))


@dataclass(frozen=True)
class TrainingPlan:
    """How a training runs."""

    steps: int
    """Number of steps of the optimiser."""
    seed: int = 0
    """Seed of torch's random numbers. Each step has numbers of its own, so a training that resumes draws the same ones."""
    schedule: Schedule = constant
    """Progress, 0 up to but not including 1 -> factor of every group's learning rate."""
    clip: float | None = None
    """Largest norm of the gradient, which is shrunk to it. None: no limit."""
    log_every: int = 50
    """Steps between two lines of the log."""
