from __future__ import annotations

from pathlib import Path

import pytest
import toy

from brainbench import BackboneCard, UsageError
from brainbench.planning.backbones import pick_backbones
from brainbench.planning.picks import BackbonePick
from brainbench.planning.settings import Assignments
from brainbench.registry import Registry

CARDS = [
    toy.backbone("net/large", weights="v1"),
    toy.backbone("net/base", weights="v1", default=True),
    toy.backbone("net/mini", mini=True),
    toy.backbone("only/one", weights="v2"),
    toy.backbone("pixels", weights="none", control=True),
    toy.backbone("random", control=True),
]


def pick(text: str, *, cards: list[BackboneCard] = CARDS, **options: object) -> dict[str, BackbonePick]:
    registry: Registry = toy.registry(cards)
    arguments = {"simulated": False, "weights": (), "controls": False, "device": "cpu"} | options
    found = pick_backbones(text, registry, Assignments(()), **arguments)  # type: ignore[arg-type]
    return {p.display: p for p in found}


def test_all_is_one_card_a_family() -> None:
    assert list(pick("all")) == ["net/base", "only/one"]
    assert list(pick("all", simulated=True)) == ["net/mini", "only/one"]


def test_controls_are_added_once_and_marked() -> None:
    found = pick("net/base,pixels,net/mini", controls=True)
    assert list(found) == ["net/base", "pixels", "net/mini", "net/base@untrained", "random"]
    assert [p.control for p in found.values()] == [False, True, False, True, True]
    assert found["net/mini"].label == "untrained"
    assert found["pixels"].label == "none"
    assert found["net/base"].label == "v1"


def test_untrained_can_be_asked_for_by_name_glob_and_option() -> None:
    assert list(pick("net/base@untrained")) == ["net/base@untrained"]
    assert list(pick("net/*@untrained")) == ["net/base@untrained", "net/large@untrained", "net/mini"]
    assert list(pick("net/base,pixels", weights=("untrained",))) == ["net/base@untrained", "pixels"]
    assert list(pick("net/base,net/base@untrained")) == ["net/base", "net/base@untrained"]
    with pytest.raises(UsageError, match="pixels@untrained: pixels has no trained weights"):
        pick("pixels@untrained")


def test_a_weights_file_is_another_row_than_the_release(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    path.write_bytes(b"weights")
    found = pick("net/base", weights=(f"net/base={path}",))["net/base"]
    label = found.label
    assert label.startswith("file:")
    assert found.facts["weights"] != pick("net/base")["net/base"].facts["weights"]
    path.write_bytes(b"weights, changed")
    assert pick("net/base", weights=(f"net/base={path}",))["net/base"].label != label


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ("net/base", "expected 'untrained' or NAME=FILE"),
        ("net/bass=x", "did you mean 'net/base'"),
        ("pixels=x", "pixels has no weights to load"),
        ("net/base=/no/such", "no such file: /no/such"),
        ("net/base=/", "/ is a folder; net/base takes one file, name it"),
    ],
)
def test_weights_that_cannot_be(weights: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        pick("net/base", weights=(weights,))


def test_weights_for_a_backbone_that_does_not_run(tmp_path: Path) -> None:
    path = tmp_path / "w"
    path.write_bytes(b"")
    with pytest.raises(UsageError, match="only/one=...: this backbone is not selected"):
        pick("net/base", weights=(f"only/one={path}",))
