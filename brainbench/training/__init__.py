"""A resumable training loop for any torch module; public, encoder plugins build on it. Imports torch."""

from __future__ import annotations

from brainbench.training.loop import train
from brainbench.training.plan import TrainingPlan, constant, warmup_cosine
from brainbench.training.state_store import StateStore

__all__ = ["StateStore", "TrainingPlan", "constant", "train", "warmup_cosine"]
