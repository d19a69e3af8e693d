from __future__ import annotations

from pathlib import Path

import pytest
import toy

from brainbench import UsageError
from brainbench.planning.backbones import pick_backbones
from brainbench.planning.picks import BackbonePick, JointPick
from brainbench.planning.settings import Assignments

CARDS = [
    toy.backbone("a/one", weights="v1", taps=("block", "attention")),
    toy.backbone("a/two", weights="v1", taps=("block", "attention")),
    toy.backbone("b/one", weights="v2"),
    toy.backbone("shuffled", shuffles="a/one", weights="none"),
    toy.backbone("pixels", weights="none", control=True),
]
REGISTRY = toy.registry(CARDS)


def picks(text: str, *settings: str, **options: object) -> list[BackbonePick]:
    arguments = {"simulated": False, "weights": (), "controls": False, "device": "cpu"} | options
    return pick_backbones(text, REGISTRY, Assignments(settings), **arguments)  # type: ignore[arg-type]


def pick(text: str, *settings: str, **options: object) -> BackbonePick:
    (found,) = picks(text, *settings, **options)  # type: ignore[arg-type]
    return found


def test_several_are_one_in_the_order_asked_each_once() -> None:
    assert [n.display for n in pick("b/one+a/*").networks] == ["b/one", "a/one", "a/two"]
    assert pick("a/two + a/* + b/one@untrained").display == "a/two+a/one+b/one@untrained"
    assert [p.display for p in picks("a/one,a/one+b/one,a/one+b/*")] == ["a/one", "a/one+b/one"]
    assert pick("a/one").networks == (pick("a/one"),)


def test_no_control_is_made_of_several_as_one() -> None:
    assert [p.display for p in picks("a/one+b/one", controls=True)] == ["a/one+b/one", "pixels"]
    assert [p.control for p in picks("a/one+b/one@untrained,a/one@untrained+pixels")] == [False, True]


def test_the_label_is_said_once_where_all_are_the_same(tmp_path: Path) -> None:
    assert pick("a/one+a/two").label == "v1"
    assert pick("a/one+b/one+a/two@untrained").label == "v1 + v2 + untrained"
    path = tmp_path / "w"
    path.write_bytes(b"weights")
    assert pick("a/one+b/one", weights=(f"b/one={path}",)).label.startswith("v1 + file:")


def test_settings_are_told_once_where_all_have_them_alike() -> None:
    assert pick("a/one+b/one", "*.dtype=float32").changed == {"dtype": "float32"}
    assert pick("a/one+b/one", "a.tap=attention").changed == {"a/one.tap": "attention"}
    settings = pick("a/one+b/one", "a.tap=attention").settings
    assert (settings["a/one.tap"], settings["b/one.tap"], settings["preproc"]) == ("attention", "block", "paper")


def test_the_facts_are_those_of_the_members_in_their_order() -> None:
    one, two = pick("a/one"), pick("b/one")
    assert JointPick((one, two)).facts == {"joint": [one.facts, two.facts]}
    assert pick("a/one+b/one").facts != pick("b/one+a/one").facts


def test_a_tap_is_taken_where_it_is_offered_and_nobody_set_another() -> None:
    asked = pick("a/one").read_at("attention")
    assert (asked.settings["tap"], asked.changed) == ("attention", {"tap": "attention"})
    assert asked.read_at("block") == pick("a/one")
    assert asked.facts == pick("a/one", "a/one.tap=attention").facts
    for settled in (pick("a/one", "a.tap=block"), pick("b/one")):
        assert settled.read_at("attention") is settled
    both = pick("a/one+b/one").read_at("attention")
    assert both.changed == {"a/one.tap": "attention"}
    assert both.display == "a/one+b/one"
    assert pick("a/one+a/two").read_at("attention").changed == {"tap": "attention"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "a/one+a/one",
            r"a/one\+a/one: means a/one alone; \+ joins two or more backbones: name another or remove \+",
        ),
        ("b/*+b/one", r"b/\*\+b/one: means b/one alone"),
        ("a/one+", r"a/one\+: an empty name; join names or globs with \+"),
        ("all+a/one", r"all\+a/one: all runs its families one by one"),
        ("all@untrained+a/one", r"all runs its families one by one"),
        ("a/one+shuffled", "shuffled is a control of a whole run and cannot be part of a joint backbone"),
        ("a/one+b/on", "did you mean 'b/one'"),
        ("a/one+pixels@untrained", "pixels has no trained weights"),
    ],
)
def test_what_cannot_be_joined(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        picks(text)


@pytest.mark.parametrize("name", ["a+b", "a,b"])
def test_a_name_that_reads_as_several_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="commas and \\+ separate names; choose a name without them"):
        toy.registry().with_backbones([toy.backbone(name)])
