from __future__ import annotations

from typing import Any

import pytest
import toy

from brainbench import Setting, UsageError
from brainbench.planning.settings import Assignments

STEPS = Setting("steps", int, 0, "training steps", minimum=0)
CARD = toy.encoder("fit/fast", settings=(STEPS, Setting("mode", str, "a", "", ("a", "b")), Setting("on", bool, False, "")),
                   demo_steps=50)  # fmt: skip


def test_names_families_and_globs_reach_a_card() -> None:
    for name in ("fit/fast", "fit", "*", "f*/fast"):
        settings, changed = Assignments([f"{name}.steps=7"]).resolve(CARD)
        assert settings == {"steps": 7, "mode": "a", "on": False}
        assert changed == {"steps": 7}


def test_the_last_assignment_wins_and_defaults_are_no_change() -> None:
    assert Assignments(["fit.steps=7", "fit.steps=0"]).resolve(CARD)[1] == {}
    assert Assignments(["fit.on=yes"]).resolve(CARD)[1] == {"on": True}


def test_demo_steps_are_the_default_on_simulated_data_only() -> None:
    assert Assignments([]).resolve(CARD)[0]["steps"] == 0
    assert Assignments([]).resolve(CARD, simulated=True) == ({"steps": 50, "mode": "a", "on": False}, {})
    assert Assignments(["*.steps=9"]).resolve(CARD, simulated=True)[1] == {"steps": 9}


def test_demo_steps_are_those_of_the_default_recipe_only() -> None:
    recipe = Setting("recipe", str, "fast", "", ("fast", "paper"))
    length = (Setting("steps", int, None, "", minimum=1), Setting("passes", float, None, ""))
    card = toy.encoder("fit/fast", settings=(recipe, *length), demo_steps=50)

    def resolved(*texts: str) -> tuple[dict[str, Any], dict[str, Any]]:
        return Assignments(texts).resolve(card, simulated=True)

    assert resolved("fit.recipe=fast") == ({"recipe": "fast", "steps": 50, "passes": None}, {})
    assert resolved("fit.recipe=paper") == ({"recipe": "paper", "steps": None, "passes": None}, {"recipe": "paper"})
    assert resolved("fit.recipe=paper", "fit.steps=9")[1] == {"recipe": "paper", "steps": 9}
    assert resolved("fit.passes=3") == ({"recipe": "fast", "steps": None, "passes": 3.0}, {"passes": 3.0})
    with pytest.raises(UsageError, match=r"^fit/fast.passes=few: expected float$"):
        resolved("fit.passes=few")


def test_a_comma_list_is_one_variant_a_value() -> None:
    data = toy.dataset(settings=(Setting("seed", int, 0, ""),))
    given = Assignments(["toydata.train_images=10, 20,0,10", "toydata.seed=3"])
    found = given.variants(data, "train_images")
    assert [settings["train_images"] for settings, _ in found] == [10, 20, 0]
    assert [changed for _, changed in found] == [
        {"seed": 3, "train_images": 10},
        {"seed": 3, "train_images": 20},
        {"seed": 3},
    ]
    given.check_used(toy.registry(datasets=[data]))
    assert Assignments([]).variants(data, "train_images") == [({"seed": 0, "train_images": 0}, {})]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("toydata.train_images=10,many", "toydata.train_images=many: expected int"),
        ("toydata.train_images=10,-1", "toydata.train_images=-1: must be at least 0"),
        ("toydata.train_images=10,", "toydata.train_images=: expected int"),
        ("toydata.seed=1,2", "toydata.seed=1,2: expected int"),
    ],
)
def test_what_no_list_can_hold_is_one_line(text: str, message: str) -> None:
    card = toy.dataset(settings=(Setting("seed", int, 0, ""),))
    with pytest.raises(UsageError, match=message):
        Assignments([text]).variants(card, "train_images")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("fit/fast.step=7", r"fit/fast has no setting 'step' \(did you mean 'steps'\?\); it has: mode, on, steps"),
        ("fit.steps=many", "fit/fast.steps=many: expected int, e.g. 0"),
        ("fit.steps=-1", "fit/fast.steps=-1: must be at least 0"),
        ("fit.mode=c", "fit/fast.mode=c: allowed are a, b"),
        ("fit.on=perhaps", "expected bool"),
        ("fit", r"--set fit: expected NAME.key=value"),
    ],
)
def test_what_cannot_be_set_is_one_line(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Assignments([text]).resolve(CARD)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("toyfitt.steps=1", r"unknown name 'toyfitt' \(did you mean 'toyfit'\?\)"),
        ("toy.batches=1", r"--set toy.batches=1: no setting 'batches' \(did you mean 'batch'\?\)"),
        ("toydata.steps=1", "no setting 'steps'"),
        ("r2.bonus=1", "this run selects nothing of this name"),
    ],
)
def test_an_assignment_that_reaches_nothing_is_an_error(text: str, message: str) -> None:
    given = Assignments([text])
    with pytest.raises(UsageError, match=message):
        given.check_used(toy.registry())


def test_a_used_assignment_is_none() -> None:
    given = Assignments(["toy.batch=4"])
    assert given.resolve(toy.backbone())[0]["batch"] == 4
    given.check_used(toy.registry())
