"""Several backbones as one, from the request to records and boards."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import toy

import brainbench
from brainbench import Features, Responses, Selectors, UsageError
from brainbench.commands.cite import behind
from brainbench.planning import estimate
from brainbench.planning.backbones import pick_backbones
from brainbench.planning.request import Request
from brainbench.planning.settings import Assignments
from brainbench.records import Record
from brainbench.registry import Registry, describe_card
from brainbench.runner.benchmark import Benchmark
from brainbench.runner.job_record import _backbone
from brainbench.util.folders import Folders
from brainbench.util.hashing import digest
from brainbench.util.progress import Silent

NAME = "a/one+b/one"
Go = Callable[..., list[Record]]


class Grey(toy.ToyNet):
    """One layer, on a grid of its own."""

    layers = ("grey",)  # type: ignore[assignment]

    def tokens(self, batch: Any) -> Any:
        self.images += len(batch)
        return toy.Tokens.from_local((batch.mean(1, keepdim=True)[:, :, ::2, ::2],))


class EveryLayer:
    """Least squares on the global tokens of all layers; remembers what it was given."""

    given: Features

    def fit(self, features: Any, responses: Responses, context: Any) -> Any:
        type(self).given = features
        rows = responses.rows("train")
        design = self._design(features, responses.stimulus[rows])
        weights = np.linalg.lstsq(design, responses.values[rows].astype(np.float64), rcond=None)[0]
        layer = np.full((weights.shape[1], len(features.layers)), 1 / len(features.layers), np.float32)
        fitted = toy.ToyFitted(weights, Selectors(features.layers, layer=layer))
        fitted.predict = lambda other, stimuli: self._design(other, stimuli) @ weights  # type: ignore[method-assign]
        return fitted

    def _design(self, features: Any, rows: np.ndarray) -> np.ndarray:
        tokens = [features.global_tokens(layer, rows).astype(np.float64) for layer in range(len(features.layers))]
        return np.hstack([*tokens, np.ones((len(rows), 1))])


@pytest.fixture
def nets() -> dict[str, toy.ToyNet]:
    return {"a/one": toy.ToyNet(), "b/one": Grey()}


@pytest.fixture
def registry(nets: dict[str, toy.ToyNet]) -> Registry:
    known: dict[str, Any] = {"layers": 2, "width": 3000, "patch": 1, "input_size": 8, "parameters": 7, "licence": "MIT"}
    cards = [
        toy.backbone("a/one", make=lambda: nets["a/one"], weights="v1", citation="A (2001). One.", **known),
        toy.backbone("b/one", make=lambda: nets["b/one"], weights="v1", citation="B (2002). Two.", **known),
    ]
    cards[1] = replace(cards[1], licence="CC BY-NC 4.0", source="hub/b", download_mb=12)
    return toy.registry(cards, [toy.encoder(make=EveryLayer, joint=True, grid="native")])


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders(tmp_path / "results", tmp_path / "leaderboards", tmp_path / "cache")


@pytest.fixture
def opened(registry: Registry, folders: Folders) -> Callable[..., Benchmark]:
    def go(backbones: str = NAME, **asked: Any) -> Benchmark:
        request = Request(backbones, "toyfit", None, "toydata", subjects="1", controls=False, **asked)
        return Benchmark.open(request, registry, folders, device="cpu")

    return go


@pytest.fixture
def go(opened: Callable[..., Benchmark]) -> Go:
    return lambda *names, **asked: list(opened(*names, **asked).run(Silent()))


def test_an_encoder_is_given_the_layers_of_all(go: Go) -> None:
    (record,) = go()
    assert record.status == "done"
    assert record.metrics["r2"].values["all"] > 0.99
    given = EveryLayer.given
    assert given.layers == ("a/one:colour", "a/one:grey", "b/one:grey")
    assert given.grids == ((8, 8), (8, 8), (4, 4))
    assert given.key == record.features_key
    go("a/one")
    alone = EveryLayer.given
    np.testing.assert_array_equal(given.local_tokens(1, np.array([5, 2])), alone.local_tokens(1, np.array([5, 2])))


def test_no_tokens_are_computed_twice(go: Go, nets: dict[str, toy.ToyNet]) -> None:
    go(f"{NAME},b/one+a/one,a/one,b/one")
    assert all(100 <= net.images < 200 for net in nets.values())


def test_a_record_tells_of_each_what_differs(go: Go) -> None:
    (record,) = go(settings=("b.preproc=native", "*.dtype=float32"))
    facts = record.backbone
    assert (facts.name, facts.family, facts.weights, facts.control) == (NAME, "a+b", "v1", False)
    assert facts.changed == {"b/one.preproc": "native", "dtype": "float32"}
    assert (facts.settings["a/one.preproc"], facts.settings["tap"]) == ("paper", "block")
    assert (facts.plugin, facts.weights_source) == ("toy-dist 1.0", "hub/b")
    assert (facts.licence, facts.parameters, facts.weights_sha256) == ("MIT + CC BY-NC 4.0", 14, None)
    assert record.versions["toy-dist"] == "1.0"


def test_the_sha256_of_the_weights_is_over_the_members(go: Go, nets: dict[str, toy.ToyNet]) -> None:
    from torch import nn

    nets["a/one"].module = nn.Linear(1, 1)  # type: ignore[assignment]
    joint, one, two = (
        next(r for r in go(name) if r.encoder).backbone.weights_sha256 for name in (NAME, "a/one", "b/one")
    )
    assert (joint, two) == (digest([one, None]), None)


def test_it_is_a_row_of_the_board_and_the_same_bytes_again(go: Go, folders: Folders) -> None:
    go(f"{NAME},a/one", settings=("a.preproc=native",))
    board = (folders.leaderboards / "toydata.md").read_text()
    assert "a/one+b/one a/one.preproc=native" in board
    assert "a/one preproc=native" in board
    go(f"{NAME},a/one", settings=("a.preproc=native",))
    assert (folders.leaderboards / "toydata.md").read_text() == board


def test_a_finished_one_is_not_run_again(go: Go, nets: dict[str, toy.ToyNet]) -> None:
    assert go()[0] == go()[0]


def test_a_member_that_fails_is_named(go: Go, nets: dict[str, toy.ToyNet]) -> None:
    nets["b/one"].tokens = lambda batch: 1 / 0  # type: ignore[method-assign, assignment]
    joint, *alone = go(f"{NAME},a/one")
    assert joint.failure is not None
    assert (joint.failure.stage, joint.failure.type) == ("tokens", "ZeroDivisionError")
    assert all(record.status == "done" for record in alone)


def test_every_member_is_cited(go: Go, registry: Registry) -> None:
    found = behind(go(f"{NAME}@untrained"), registry)
    assert found.references == {"A (2001). One.": ["a/one"], "B (2002). Two.": ["b/one"]}
    assert found.unknown == []


def test_what_it_takes_is_the_sum_of_its_members(opened: Callable[..., Benchmark]) -> None:
    plan = opened(f"{NAME},a/one").plan
    joint, _, alone = estimate.jobs(plan, "all")
    # 100 images x 2 layers x 3,000 channels x 65 tokens x 2 bytes, of each.
    assert (alone["features_mb"], joint["features_mb"]) == (78.0, 156.0)
    assert joint["results_mb"] > alone["results_mb"]
    # A member's tokens are on disk once a grid: those of a/one on two, for a metric of tokens.
    text = estimate.text(estimate.jobs(plan, "all"), plan)
    assert "a/one+b/one: as one, weights v1, downloads hub/b (12 MB) unless cached" in text
    assert "note: b/one is licensed CC BY-NC 4.0: not for commercial use" in text
    assert estimate.totals(estimate.jobs(plan, "all"), plan).features_mb == 234.0


def test_python_takes_what_the_command_line_takes(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BRAINBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("brainbench.api.run.installed", lambda: registry)
    monkeypatch.setattr("brainbench.api.features.installed", lambda: registry)
    where = {"results": tmp_path / "results", "leaderboards": tmp_path / "leaderboards"}
    frame = brainbench.run([NAME], "toyfit", "toydata", subjects=1, no_controls=True, device="cpu", **where)
    assert list(frame["backbone"]) == [NAME]
    stimuli = toy.ToyData().stimuli("1")
    found = brainbench.features(NAME, stimuli, grid="native", device="cpu", cache=tmp_path / "cache")
    assert found.key == EveryLayer.given.key
    np.testing.assert_array_equal(found.local_tokens(2), EveryLayer.given.local_tokens(2))


def test_of_a_local_file_no_licence_is_claimed(registry: Registry, tmp_path: Path) -> None:
    (tmp_path / "mine").write_bytes(b"1")
    (pick,) = pick_backbones(
        "b/one", registry, Assignments(()), simulated=True, weights=[f"b/one={tmp_path / 'mine'}"], controls=False,
        device="cpu",
    )  # fmt: skip
    assert pick.networks[0].licence == "not known (a local file)"
    assert _backbone(pick, None).licence == "not known (a local file)"


def test_features_of_a_file_with_a_setting(registry: Registry, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("brainbench.api.features.installed", lambda: registry)
    (tmp_path / "mine").write_bytes(b"1")
    stimuli = toy.ToyData().stimuli("1")
    plain = brainbench.features_key("a/one", stimuli)
    assert brainbench.features_key("a/one", stimuli, weights={"a/one": tmp_path / "mine"}) != plain
    assert brainbench.features_key("a/one", stimuli, set={"a/one.dtype": "float32"}) != plain
    found = brainbench.features(
        "a/one", stimuli, device="cpu", cache=tmp_path / "cache", set={"a/one.dtype": "float32"}
    )
    assert found.local_tokens(0).dtype == np.float32
    with pytest.raises(UsageError, match=r"--set a/one\.colour=1: no setting 'colour'|a/one has no setting 'colour'"):
        brainbench.features_key("a/one", stimuli, set={"a/one.colour": 1})


def test_the_list_tells_which_encoders_take_them(registry: Registry) -> None:
    assert describe_card(registry.encoders.get("toyfit"))["joint"] is True
