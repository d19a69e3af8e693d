"""The training loop: numbered steps, a log, and states from which a training resumes to the same bytes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from brainbench.errors import DataError
from brainbench.training.plan import TrainingPlan
from brainbench.training.state_store import StateStore
from brainbench.util.interrupts import whole

Log = list[dict[str, float]]


def train(
    loss_of: Callable[[int], Tensor],
    module: nn.Module,
    optimiser: Optimizer,
    plan: TrainingPlan,
    *,
    store: StateStore | None = None,
    after_step: Callable[[int], Mapping[str, float]] = lambda step: {},
    progress: Callable[[int, int, str], None] = lambda done, total, text: None,
    message: Callable[[str], None] = lambda text: None,
) -> Log:
    """Train ``module`` in place and return the log: one mapping per line, with ``step``, mean ``loss`` and other figures.

    loss_of: number of a step, from 0 -> the loss of its batch. The batch may depend on nothing but this number and on torch's
    random numbers, which are seeded anew for each step. module: holds everything that changes (its state dict is stored);
    optimiser: over its parameters, each group with the learning rate that ``plan.schedule`` multiplies. after_step: number of
    steps done -> figures for the log, if there are any; it may change the module, as a momentum encoder does. progress, message:
    as in ``FitContext``.

    With a ``store`` the training resumes from the last state, to the same bytes as one that was not interrupted; at the end the
    store holds the final state. A KeyboardInterrupt leaves the state there and names the step.

    Raises DataError for a loss that is not finite; the message names the step. The step is not taken.
    """
    rates = [float(group["lr"]) for group in optimiser.param_groups]
    state = _State(module, optimiser)
    if store is not None and (found := store.load()) is not None:
        state.restore(*found)
        message(f"resumes after step {state.step} of {plan.steps}")
    saved = state.step
    try:
        while state.step < plan.steps:
            with whole():
                _advance(state, loss_of, plan, rates, after_step)
            progress(state.step, plan.steps, str(state))
            if store is not None and store.due:
                with whole():
                    store.save(state.step, state.content())
                    saved = state.step
    except KeyboardInterrupt:
        if store is None:
            raise
        with whole():
            store.save(state.step, state.content())
        raise KeyboardInterrupt(f"the training is kept after step {state.step} of {plan.steps}") from None
    if store is not None and saved < state.step:
        store.save(state.step, state.content())
    return state.log


@dataclass
class _State:
    """Everything that changes during a training. losses: those since the last line of the log."""

    module: nn.Module
    optimiser: Optimizer
    step: int = 0
    losses: list[float] = field(default_factory=list)
    log: Log = field(default_factory=list)

    def content(self) -> dict[str, Any]:
        return {
            "module": self.module.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "losses": self.losses,
            "log": self.log,
        }

    def restore(self, step: int, content: Mapping[str, Any]) -> None:
        self.module.load_state_dict(content["module"])
        self.optimiser.load_state_dict(content["optimiser"])
        self.step, self.losses, self.log = step, list(content["losses"]), list(content["log"])

    def __str__(self) -> str:
        """``loss 0.123, accuracy 0.456``, as far as there are such figures."""
        last = self.log[-1] if self.log else {}
        figures = {"loss": self.losses[-1]} if self.losses else {}
        figures = {name: value for name, value in last.items() if name != "step"} | figures
        return ", ".join(f"{name} {value:.3f}" for name, value in figures.items())


def _advance(
    state: _State,
    loss_of: Callable[[int], Tensor],
    plan: TrainingPlan,
    rates: Sequence[float],
    after_step: Callable[[int], Mapping[str, float]],
) -> None:
    """Take one step of the optimiser."""
    parameters = [p for group in state.optimiser.param_groups for p in group["params"]]
    for group, rate in zip(state.optimiser.param_groups, rates, strict=True):
        group["lr"] = rate * plan.schedule(state.step / plan.steps)
    with _own_randomness(plan.seed, state.step, parameters[0].device):
        loss = loss_of(state.step)
        value = loss.item()
        if not math.isfinite(value):
            raise DataError(
                f"the loss is {value:g} at step {state.step + 1} of {plan.steps}, with learning rate {rates[0]:g}: lower it"
            )
        state.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        if plan.clip is not None:
            nn.utils.clip_grad_norm_(parameters, plan.clip)
        state.optimiser.step()
        state.step += 1
        state.losses.append(value)
        figures = after_step(state.step)
    if figures or state.step % plan.log_every == 0 or state.step == plan.steps:
        state.log.append({"step": state.step, "loss": sum(state.losses) / len(state.losses), **figures})
        state.losses = []


@contextmanager
def _own_randomness(seed: int, step: int, device: torch.device) -> Iterator[None]:
    """Seed torch for one step, on the CPU and on ``device``, and restore its generators afterwards."""
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed * 1_000_003 + step)
        yield
