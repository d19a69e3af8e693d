from __future__ import annotations

import pytest
import torch
from torch import nn

from brainbench.fitting import Checkpoints, greedy_soup


class Point(nn.Module):
    """A model that is one number."""

    def __init__(self) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.zeros(()))

    def at(self, value: float) -> Point:
        with torch.no_grad():
            self.value.fill_(value)
        return self


def closeness(model: Point, target: float) -> float:
    return -abs(model.value.item() - target)


def kept(model: Point, values: list[float], target: float, keep: int = 10) -> Checkpoints:
    checkpoints = Checkpoints(keep)
    for step, value in enumerate(values):
        checkpoints.offer(closeness(model.at(value), target), step, model)
    return checkpoints


def test_the_best_are_kept_best_first() -> None:
    checkpoints = kept(Point(), [5, 1, 4, 2, 3], target=0, keep=3)
    assert [(kept.score, kept.step) for kept in checkpoints.best] == [(-1, 1), (-2, 3), (-3, 4)]
    assert [kept.state["value"].item() for kept in checkpoints.best] == [1, 2, 3]


def test_offer_tells_whether_it_is_the_best_and_ties_are_not() -> None:
    checkpoints, model = Checkpoints(2), Point()
    offered = [checkpoints.offer(score, step, model) for step, score in enumerate((0.1, 0.1, 0.2, 0.0))]
    assert offered == [True, False, True, False]
    assert [kept.step for kept in checkpoints.best] == [2, 0]


def test_kept_states_do_not_follow_the_model() -> None:
    model = Point()
    checkpoints = kept(model, [1.0], target=0)
    model.at(9.0)
    assert checkpoints.best[0].state["value"].item() == 1


def test_soup_takes_what_helps_and_leaves_what_does_not() -> None:
    model = Point()
    checkpoints = kept(model, [1.0, -2.0, 30.0], target=0)
    score = greedy_soup(model, checkpoints, lambda: closeness(model, 0))
    assert model.value.item() == pytest.approx(-0.5)
    assert score == pytest.approx(-0.5)


def test_soup_is_never_below_the_best() -> None:
    generator = torch.Generator().manual_seed(0)
    for _ in range(20):
        values = (torch.randn(6, generator=generator) * 3 + 1).tolist()
        model = Point()
        checkpoints = kept(model, values, target=0.3, keep=4)
        best = checkpoints.best[0].score
        score = greedy_soup(model, checkpoints, lambda model=model: closeness(model, 0.3))  # type: ignore[misc]
        assert score >= best
        assert closeness(model, 0.3) == score


def test_every_ingredient_weighs_alike() -> None:
    model = Point()
    checkpoints = kept(model, [1.0, -2.0, 3.0], target=0)
    scores = iter([2.0, 3.0])
    assert greedy_soup(model, checkpoints, lambda: next(scores)) == 3
    assert model.value.item() == pytest.approx((1 - 2 + 3) / 3)


class Counted(Point):
    """A number, and how often it was seen."""

    seen: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("seen", torch.tensor(0))


def test_what_counts_is_the_best_states_own() -> None:
    model, checkpoints = Counted(), Checkpoints(2)
    for value, seen in ((1.0, 7), (-2.0, 12)):
        model.seen.fill_(seen)
        checkpoints.offer(closeness(model.at(value), 0), seen, model)
    greedy_soup(model, checkpoints, lambda: closeness(model, 0))
    assert (model.value.item(), model.seen.item(), model.seen.dtype) == (-0.5, 7, torch.int64)
