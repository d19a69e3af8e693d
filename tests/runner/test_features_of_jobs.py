"""What several jobs want of one network is computed in one pass."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import toy

from brainbench import BackboneCard, Tokens
from brainbench.pipeline.feature_store import FeatureStore
from brainbench.planning.request import Request
from brainbench.records import Record
from brainbench.registry import Registry
from brainbench.runner.benchmark import Benchmark
from brainbench.util.folders import Folders
from brainbench.util.progress import Silent


class Steps(toy.ToyNet):
    """Every card ``steps/N`` is the picture times N; one pass gives them all."""

    def __init__(self, names: Sequence[str], bad: str = "") -> None:
        super().__init__()
        self.names, self.bad = names, bad
        self.layers: Mapping[str, Sequence[str]] = dict.fromkeys(names, ("colour", "grey"))  # type: ignore[assignment]

    def tokens(self, batch: torch.Tensor) -> Mapping[str, Tokens]:  # type: ignore[override]
        self.images += len(batch)
        found = {}
        for name in self.names:
            values = batch * int(name.split("/")[1])
            found[name] = Tokens.from_local((values * float("nan") if name == self.bad else values, values[:, :1]))
        return found


Loads = list[Steps]


def cards(bad: str = "", numbers: Sequence[int] = (1, 2, 3)) -> tuple[list[BackboneCard], Loads]:
    loads: Loads = []

    def joint(*, names: Sequence[str], weights: Any, settings: Mapping[str, Any]) -> Steps:
        loads.append(Steps(names, bad))
        return loads[-1]

    return [replace(toy.backbone(f"steps/{n}"), joint=joint) for n in numbers], loads


Go = Callable[..., list[Record]]


@pytest.fixture
def go(tmp_path: Path) -> Go:
    def run(registry: Registry, results: str = "results", **asked: Any) -> list[Record]:
        folders = Folders(tmp_path / results, tmp_path / "leaderboards", tmp_path / "cache")
        request = Request(**{"dataset": "toydata", "encoders": "toyfit", "settings": ("steps.batch=32",), **asked})
        return list(Benchmark.open(request, registry, folders, device="cpu").run(Silent()))

    return run


def colour(record: Record, tmp_path: Path) -> np.ndarray:
    folder = tmp_path / "cache" / "features" / record.features_key
    return FeatureStore(folder, record.features_key).local_tokens(0)


def test_cards_of_one_network_share_a_pass(go: Go, tmp_path: Path) -> None:
    some, loads = cards()
    records = go(toy.registry(some), backbones="steps/1,steps/3")
    assert [load.names for load in loads] == [("steps/1", "steps/3")]
    assert loads[0].images == 100
    one, three = (next(r for r in records if r.backbone.name == f"steps/{n}") for n in (1, 3))
    np.testing.assert_allclose(colour(three, tmp_path), 3 * colour(one, tmp_path), rtol=2e-3)


def test_alone_gives_the_same_tokens(go: Go, tmp_path: Path) -> None:
    together = go(toy.registry(cards()[0]), backbones="steps/1,steps/3")
    kept = {r.backbone.name: colour(r, tmp_path) for r in together}
    for folder in (tmp_path / "cache" / "features").glob("[!.]*"):
        folder.rename(tmp_path / folder.name)
    some, loads = cards()
    alone = go(toy.registry(some), results="again", backbones="steps/3")
    assert loads[0].names == ("steps/3",)
    np.testing.assert_array_equal(colour(alone[0], tmp_path), kept["steps/3"])


def test_only_what_is_missing_is_computed(go: Go) -> None:
    go(toy.registry(cards()[0]), backbones="steps/2")
    some, loads = cards()
    go(toy.registry(some), backbones="steps/1,steps/2,steps/3")
    assert [load.names for load in loads] == [("steps/1", "steps/3")]


def test_other_weights_or_settings_are_another_pass(go: Go) -> None:
    some, loads = cards()
    go(toy.registry(some), backbones="steps/*", settings=("steps/2.init_seed=1", "steps.batch=32"))
    assert [load.names for load in loads] == [("steps/1", "steps/3"), ("steps/2",)]


def test_one_that_fails_does_not_take_the_others_with_it(go: Go) -> None:
    some, _ = cards(bad="steps/2")
    records = go(toy.registry(some), backbones="steps/*")
    failed = {r.backbone.name: r.failure.message for r in records if r.failure and r.encoder}
    assert list(failed) == ["steps/2"]
    assert "steps/2: local tokens of layer colour hold NaN" in failed["steps/2"]
    assert {r.backbone.name for r in records if r.status == "done"} == {"steps/1", "steps/3"}


def test_two_grids_of_one_network_share_a_pass(go: Go, tmp_path: Path) -> None:
    net = toy.ToyNet()
    native = replace(toy.COUNT, name="native", grid="native")
    registry = toy.registry([toy.backbone("steps/0", make=lambda: net)], metrics=[toy.R2, native])
    records = go(registry)
    assert 100 <= net.images < 200
    assert {r.grid for r in records} == {"8", "native"}
    shapes = {r.grid: colour(r, tmp_path).shape for r in records}
    assert shapes == {"8": (100, 3, 8, 8), "native": (100, 3, 8, 8)}


@pytest.mark.slow
def test_a_shuffled_card_reads_the_tokens_of_the_other(tmp_path: Path) -> None:
    net, folders = toy.ToyNet(), Folders(tmp_path / "results", tmp_path / "leaderboards", tmp_path / "cache")
    plain = toy.backbone("net", make=lambda: net, weights="none")
    shuffled = replace(plain, name="mixed", control=True, shuffles="net")
    # As many images as it takes for chance to stay below 0.01.
    registry = toy.registry([plain, shuffled], metrics=[toy.R2], datasets=[toy.dataset(toy.ToyData(count=2000))])

    def run(names: str, *settings: str) -> dict[str, Record]:
        request = Request(backbones=names, encoders="toyfit", dataset="toydata", subjects="1", settings=settings)
        benchmark = Benchmark.open(request, registry, folders, device="cpu")
        return {record.backbone.name: record for record in benchmark.run(Silent())}

    both = run("net,mixed")
    images = net.images
    assert both["net"].features_key == both["mixed"].features_key
    assert both["net"].key != both["mixed"].key
    assert len(list((tmp_path / "cache" / "features").glob("[!.]*/zarr.json"))) == 1
    assert both["net"].metrics["r2"].values["all"] > 0.99
    assert both["mixed"].metrics["r2"].values["all"] < 0.01
    assert both["mixed"].backbone.control
    assert both["mixed"].backbone.settings["shuffle_seed"] == 0
    other = run("mixed", "mixed.shuffle_seed=1")
    assert other["mixed"].key != both["mixed"].key
    assert other["mixed"].backbone.changed == {"shuffle_seed": 1}
    assert other["mixed"].metrics["r2"].values["all"] != both["mixed"].metrics["r2"].values["all"]
    assert net.images == images


def test_a_shuffled_card_with_other_settings_has_tokens_of_its_own(tmp_path: Path) -> None:
    plain = toy.backbone("net", weights="none")
    registry = toy.registry([plain, replace(plain, name="mixed", control=True, shuffles="net")], metrics=[toy.R2])
    request = Request(backbones="net,mixed", encoders="toyfit", dataset="toydata", settings=("mixed.dtype=float32",))
    folders = Folders(tmp_path / "results", tmp_path / "leaderboards", tmp_path / "cache")
    assert len({job.tokens.key for job in Benchmark.open(request, registry, folders, device="cpu").plan.jobs}) == 2
