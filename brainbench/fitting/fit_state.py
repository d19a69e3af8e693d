"""A fit on its way: everything that changes from step to step, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from brainbench.errors import DataError
from brainbench.fitting.adamw import AdamW
from brainbench.fitting.model import EncoderModel
from brainbench.fitting.recipes import Recipe
from brainbench.fitting.soup import Checkpoint, Checkpoints


@dataclass(frozen=True)
class Snapshot:
    """A fit's state as it is written down.

    facts: what JSON holds; parts: tensors by name; a part's name says what it holds, so that none is written twice.
    """

    facts: Mapping[str, Any]
    parts: Mapping[str, Mapping[str, Tensor]]


class FitState:
    """A model, its optimiser and what was seen of them so far.

    step: steps done; losses: of this epoch's steps; history: step, mean loss and val_r2 of every epoch; checkpoints: the best
    epochs; stale: epochs since the best one, of those after the fit has settled.
    """

    def __init__(self, model: EncoderModel, recipe: Recipe) -> None:
        self.model, self.recipe = model, recipe
        self.optimiser = AdamW(_groups(model), recipe.weight_decay)
        self.step, self.stale = 0, 0
        self.losses, self.history = list[Tensor](), list[dict[str, float]]()
        self.checkpoints = Checkpoints(recipe.keep)

    @property
    def epoch_over(self) -> bool:
        """Whether the val split is to be looked at before the next step."""
        return bool(self.losses) and (self.step % self.recipe.epoch_steps == 0 or self.step == self.recipe.steps)

    @property
    def ended(self) -> bool:
        """Whether there is no next step."""
        return not self.epoch_over and (self.step >= self.recipe.steps or 0 < self.recipe.patience <= self.stale)

    def descend(self, tokens: Sequence[Tensor], observed: Tensor) -> None:
        """One step of AdamW on one batch."""
        rate = self.recipe.lr_at(self.step)
        self.optimiser.zero_grad()
        loss = self.model.loss(tokens, observed, self.recipe.penalty_at(self.step), self.recipe.blur_at(self.step))
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step([rate, rate * self.recipe.selector_lr])
        self.losses.append(loss.detach())
        self.step += 1

    def check_losses(self) -> None:
        """Raise DataError if a loss of this epoch is not finite."""
        losses = torch.stack(self.losses)
        if not bool(losses.isfinite().all()):
            first = int((~losses.isfinite()).nonzero()[0])
            raise self._diverged(self.step - len(losses) + first + 1, f"loss {float(losses[first]):g}")

    def close_epoch(self, val_r2: float) -> None:
        """Write down the epoch that is over; raises DataError if its R2 is not finite."""
        if not abs(val_r2) < float("inf"):
            raise self._diverged(self.step, f"val R2 {val_r2:g}")
        self.history.append({"step": self.step, "loss": float(torch.stack(self.losses).mean()), "val_r2": val_r2})
        better = self.checkpoints.offer(val_r2, self.step, self.model)
        self.stale = 0 if better or self.step <= self.recipe.settled else self.stale + 1
        self.losses = []

    def snapshot(self) -> Snapshot:
        """The state as it stands."""
        now = {f"model.{name}": tensor for name, tensor in self.model.state_dict().items()}
        for index, kept in self.optimiser.state.items():
            now |= {f"optimiser.{index}.{name}": tensor for name, tensor in kept.items()}
        best = {_best(kept.step): kept.state for kept in self.checkpoints.best}
        facts = {
            "step": self.step,
            "stale": self.stale,
            "losses": [float(loss) for loss in self.losses],
            "history": self.history,
            "best": [[kept.score, kept.step] for kept in self.checkpoints.best],
        }
        return Snapshot(facts, {f"step-{self.step}": now} | best)

    def restore(self, snapshot: Snapshot) -> None:
        """Go back to where ``snapshot`` was made of such a fit."""
        facts, device = snapshot.facts, next(self.model.parameters()).device
        now = snapshot.parts[f"step-{facts['step']}"]
        self.model.load_state_dict(
            {name.removeprefix("model."): t for name, t in now.items() if name.startswith("model.")}
        )
        moments: dict[int, dict[str, Tensor]] = {}
        for name, tensor in now.items():
            if name.startswith("optimiser."):
                _, index, kind = name.split(".")
                moments.setdefault(int(index), {})[kind] = tensor
        self.optimiser.restore(moments)
        self.step, self.stale, self.history = facts["step"], facts["stale"], list(facts["history"])
        self.losses = [torch.tensor(loss, device=device) for loss in facts["losses"]]
        for score, step in facts["best"]:
            state = {name: tensor.to(device) for name, tensor in snapshot.parts[_best(step)].items()}
            self.checkpoints.best.append(Checkpoint(score, step, state))

    def __str__(self) -> str:
        """``step 40 of 300, loss 0.123, val R2 0.456``, as far as there are such figures."""
        epoch = self.history[-1] if self.history else {}
        loss = self.losses[-1].item() if self.losses else epoch.get("loss")
        figures = [("loss", loss), ("val R2", epoch.get("val_r2"))]
        known = [f"{name} {value:.3f}" for name, value in figures if value is not None]
        return ", ".join([f"step {self.step} of {self.recipe.steps}", *known])

    def _diverged(self, step: int, figure: str) -> DataError:
        return DataError(
            f"the fit diverged at step {step} of {self.recipe.steps} ({figure}) at a learning rate of {self.recipe.lr:g}: "
            f"lower it (--set ENCODER.lr={self.recipe.lr / 10:g})"
        )


def _best(step: int) -> str:
    return f"best-{step}"


def _groups(model: EncoderModel) -> list[list[nn.Parameter]]:
    """All parameters but those of the selectors, and these."""
    selectors = [p for name, p in model.named_parameters() if name.startswith("selectors.")]
    others = [p for name, p in model.named_parameters() if not name.startswith("selectors.")]
    return [others, selectors]
