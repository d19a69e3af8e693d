"""Which epochs are kept, and their greedy average."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor, nn

State = dict[str, Tensor]


class Checkpoint(NamedTuple):
    """A model's state after a step, and its score on the val split."""

    score: float
    step: int
    state: State


class Checkpoints:
    """The ``keep`` best states of a model by their score on the val split, best first; ties keep the earlier one first."""

    def __init__(self, keep: int) -> None:
        self.keep = keep
        self.best: list[Checkpoint] = []

    def offer(self, score: float, step: int, model: nn.Module) -> bool:
        """Keep a copy of the model's state if it is among the best; say whether it is the best so far."""
        place = sum(kept.score >= score for kept in self.best)
        if place < self.keep:
            state = {name: t.detach().clone() for name, t in model.state_dict().items()}
            self.best.insert(place, Checkpoint(score, step, state))
            del self.best[self.keep :]
        return place == 0


def greedy_soup(model: nn.Module, checkpoints: Checkpoints, score: Callable[[], float]) -> float:
    """Average the best states one by one, keeping each only if the average gets better (ModelSoup).

    Integers, which count something, are the best state's. score: the model's figure on the val split as it stands. Leaves the
    soup in ``model`` and returns its score, which is never below that of the best single state.
    """
    (best, _, soup), *others = checkpoints.best
    size = 1
    for _, _, state in others:
        mixed = {name: t + (state[name] - t) / (size + 1) if t.is_floating_point() else t for name, t in soup.items()}
        model.load_state_dict(mixed)
        mixed_score = score()
        if mixed_score > best:
            best, soup, size = mixed_score, mixed, size + 1
    model.load_state_dict(soup)
    return best
