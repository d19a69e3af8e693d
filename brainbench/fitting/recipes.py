"""Recipes: every constant of a fit, by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import cos, pi
from typing import Any, Literal


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Every constant of a fit.

    steps: the most training steps; batch_size: trials in one step; lr: learning rate, constant or falling to zero along half
    a cosine; selector_lr: what selectors learn at, as a share of it; dim: D, aligned channels; reduce: how the read-out gathers
    them; penalty: weight of the model's penalty, falling to zero over the first ``penalty_steps``; epoch_steps: steps between
    two looks at the val split; patience: epochs without a better one before the fit stops; keep: best epochs kept for the
    soup; weight_decay: AdamW's; blur: how far local tokens are blurred at first, in places, falling to zero over the first
    ``blur_steps``; memory: GB of tokens held at once, 0 for half of the machine's.

    ``penalty_steps``, ``blur_steps`` and ``epoch_steps`` are numbers of steps, or, as fractions, shares of all steps.
    """

    steps: int
    batch_size: int
    lr: float
    schedule: Literal["constant", "cosine"]
    dim: int
    reduce: Literal["mean", "sum"]
    penalty_steps: int | float
    epoch_steps: int | float
    patience: int
    keep: int
    selector_lr: float = 1.0
    penalty: float = 0.1
    weight_decay: float = 0.01
    blur: float = 0.0
    blur_steps: int | float = 0.5
    memory: float = 0.0

    def with_settings(self, settings: Mapping[str, Any]) -> Recipe:
        """This recipe with a user's ``steps``, ``batch_size``, ``lr``, ``dim`` and ``memory``; zero leaves the recipe's own."""
        given = {name: settings[name] for name in ("steps", "batch_size", "lr", "dim", "memory") if settings[name]}
        return replace(self, **given)

    @property
    def epoch(self) -> int:
        """Steps between two looks at the val split."""
        return max(1, self._steps(self.epoch_steps))

    def lr_at(self, step: int) -> float:
        """The learning rate at step 0, 1, ..."""
        return self.lr if self.schedule == "constant" else self.lr * (1 + cos(pi * step / self.steps)) / 2

    def penalty_at(self, step: int) -> float:
        """The penalty's weight at step 0, 1, ...: lambda times its linear decay (appendix E.3)."""
        return self.penalty * max(0.0, 1 - step / max(1, self._steps(self.penalty_steps)))

    def blur_at(self, step: int) -> float:
        """The blur at step 0, 1, ..., in places."""
        return self.blur * max(0.0, 1 - step / max(1, self._steps(self.blur_steps)))

    def _steps(self, amount: int | float) -> int:
        return amount if isinstance(amount, int) else round(amount * self.steps)


# Appendix E.3 and F.1 as printed; a fit there ended by early stopping after 40,000 to 60,000 steps.
PAPER = Recipe(
    steps=100_000, batch_size=8, lr=1e-3, schedule="constant", dim=128, reduce="mean",
    penalty_steps=6000, epoch_steps=1000, patience=20, keep=10,
)  # fmt: skip

# Found on planted brains and on real ones (docs/decisions/007): many times fewer steps. Selectors learn more slowly than what
# they select for; at the full rate all voxels can end at one place, or on the global token alone, before the regression has
# weights. Weights decay far more than in the paper: it keeps the channel align from making one layer out of another, which
# flattens the layer map, and few images from being learned by heart. Local tokens are blurred at first: a place read
# sharply tells nothing of what lies beyond its neighbours, and voxels stay near the centre where they start.
FAST = Recipe(
    steps=5000, batch_size=32, lr=1e-2, schedule="cosine", dim=16, reduce="sum",
    penalty_steps=0.15, epoch_steps=50, patience=20, keep=3, selector_lr=0.3, weight_decay=0.3, blur=2.5, blur_steps=0.7,
)  # fmt: skip

RECIPES: Mapping[str, Recipe] = {"fast": FAST, "paper": PAPER}
