from __future__ import annotations

from dataclasses import replace

import pytest

from brainbench.fitting import FAST, PAPER

NOTHING = {"recipe": "fast", "steps": 0, "batch_size": 0, "lr": 0.0, "dim": 0, "memory": 0.0}


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
    assert PAPER.epoch == 1000
    assert PAPER.reduce == "mean"
    assert [PAPER.penalty_at(step) for step in (0, 3000, 6000, 60000)] == pytest.approx([0.1, 0.05, 0, 0])
    assert PAPER.lr_at(50_000) == PAPER.lr_at(0) == 1e-3


def test_shares_follow_the_number_of_steps() -> None:
    recipe = replace(FAST, steps=200, penalty_steps=0.15, epoch_steps=0.2)
    assert recipe.epoch == 40
    assert [replace(recipe, blur=2.0, blur_steps=0.5).blur_at(step) for step in (0, 50, 100, 199)] == pytest.approx(
        [2, 1, 0, 0]
    )
    assert [recipe.penalty_at(step) for step in (0, 15, 30)] == pytest.approx([0.1, 0.05, 0])
    assert replace(recipe, steps=1).epoch == 1


def test_cosine_falls_from_lr_to_zero() -> None:
    recipe = replace(FAST, steps=100, lr=0.5, schedule="cosine")
    assert [recipe.lr_at(step) for step in (0, 50, 100)] == pytest.approx([0.5, 0.25, 0])


def test_zero_leaves_the_recipe_alone() -> None:
    assert FAST.with_settings(NOTHING) == FAST
    changed = FAST.with_settings(NOTHING | {"steps": 7, "lr": 0.1})
    assert changed == replace(FAST, steps=7, lr=0.1)
