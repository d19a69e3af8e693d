from __future__ import annotations

from dataclasses import fields, replace

import pytest

from brainbench.fitting import FAST, PAPER, Recipe


def test_paper_recipe_has_the_printed_constants() -> None:
    printed = {
        "batch_size": 8,
        "lr": 1e-3,
        "dim": 128,
        "penalty": 0.1,
        "weight_decay": 1e-2,
        "patience": 20,
        "keep": 10,
    }
    assert {name: getattr(PAPER, name) for name in printed} == printed
    assert PAPER.epoch_steps == 1000
    assert PAPER.reduce == "mean"
    # What is not printed is gone with the penalty, and can be left out.
    assert [PAPER.blur_at(step) for step in (0, 3000, 6000)] == pytest.approx([2.5, 1.25, 0])
    assert PAPER.with_settings({"blur": 0.0}).blur_at(0) == 0
    assert [PAPER.penalty_at(step) for step in (0, 3000, 6000, 60000)] == pytest.approx([0.1, 0.05, 0, 0])
    assert PAPER.lr_at(50_000) == PAPER.lr_at(0) == 1e-3


def test_shares_follow_the_number_of_steps() -> None:
    recipe = replace(FAST, steps=200, decay=0.15, epoch=0.2)
    assert recipe.epoch_steps == 40
    assert [replace(recipe, blur=2.0, blur_steps=0.5).blur_at(step) for step in (0, 50, 100, 199)] == pytest.approx(
        [2, 1, 0, 0]
    )
    assert [recipe.penalty_at(step) for step in (0, 15, 30)] == pytest.approx([0.1, 0.05, 0])
    assert replace(recipe, steps=1).epoch_steps == 1


def test_cosine_falls_from_lr_to_zero() -> None:
    recipe = replace(FAST, steps=100, lr=0.5, schedule="cosine")
    assert [recipe.lr_at(step) for step in (0, 50, 100)] == pytest.approx([0.5, 0.25, 0])


def test_none_leaves_the_recipe_alone_and_zero_does_not() -> None:
    untouched = dict.fromkeys([field.name for field in fields(Recipe)])
    assert PAPER.with_settings(untouched | {"recipe": "paper"}) == PAPER
    assert PAPER.with_settings(untouched | {"penalty": 0.0, "lr": 0.1}) == replace(PAPER, penalty=0.0, lr=0.1)


def test_amounts_below_one_are_shares_and_others_whole_steps() -> None:
    recipe = FAST.with_settings({"decay": 2000.0, "epoch": 0.5, "blur_steps": 10.0, "steps": 100})
    assert [type(amount) for amount in (recipe.decay, recipe.epoch, recipe.blur_steps)] == [int, float, int]
    assert recipe.penalty_at(1000) == pytest.approx(0.05)
    assert recipe.epoch_steps == 50
    assert [recipe.blur_at(step) for step in (0, 5, 10)] == pytest.approx([2.5, 1.25, 0])


@pytest.mark.parametrize(("trials", "steps"), [(1, 300), (384, 300), (640, 500), (6400, 5000), (10**6, 5000)])
def test_steps_follow_the_trials_within_bounds(trials: int, steps: int) -> None:
    recipe = replace(FAST, passes=25, fewest=300, steps=5000, batch_size=32)
    assert recipe.for_trials(trials).steps == steps
    assert recipe.for_trials(trials).for_trials(9) == recipe.for_trials(trials)


def test_steps_that_are_set_hold_for_any_number_of_trials() -> None:
    assert FAST.with_settings({"steps": 7}).for_trials(10_000).steps == 7
    assert FAST.with_settings({"passes": 50.0}).for_trials(640).steps == 1000
    assert PAPER.for_trials(100) == PAPER


def test_a_fit_has_settled_without_blur_and_penalty_and_with_most_of_the_cosine_done() -> None:
    assert PAPER.settled == 6000
    plain = replace(PAPER, steps=100, schedule="constant", penalty=0.0, blur=0.0)
    assert plain.settled == 0
    assert replace(plain, schedule="cosine").settled == 80
    assert replace(plain, schedule="cosine", blur=1.0, blur_steps=0.9).settled == 90
    assert replace(plain, penalty=0.1, decay=70).settled == 70
