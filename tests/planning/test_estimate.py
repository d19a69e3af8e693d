from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import toy
from experiment import write_experiment

from brainbench import Responses, Stimuli
from brainbench.planning import estimate
from brainbench.planning.request import Request
from brainbench.registry import installed
from brainbench.runner.benchmark import Benchmark
from brainbench.util.folders import Folders


@pytest.mark.parametrize(("budget", "expected"), [(10**9, 119.8), (50_000_000, 50.0)])
def test_a_fit_takes_its_tokens_or_what_it_may_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, budget: int, expected: float
) -> None:
    monkeypatch.setattr("brainbench.planning.estimate.budget", lambda asked: budget)
    registry = toy.registry([toy.backbone(layers=12, width=768)])
    request = Request(dataset="toydata", encoders="toyfit", subjects="1")
    folders = Folders(tmp_path / "results", tmp_path / "leaderboards", tmp_path / "cache")
    rows = estimate.jobs(Benchmark.open(request, registry, folders, device="cpu").plan, "all")
    assert [(row["encoder"], row["features_mb"], row["memory_mb"]) for row in rows] == [
        (None, 119.8, 119.8),
        ("toyfit", 119.8, expected),
    ]


def test_the_disk_of_prepared_responses_is_told_until_they_are_prepared(tmp_path: Path) -> None:
    data = write_experiment(tmp_path / "mine", images=30, voxels=5001)
    values = np.load(data / "responses.npy")
    values[:, 2] = np.nan
    np.save(data / "responses.npy", values)
    request = Request(backbones="pixels", encoders="classtoken", dataset="folder", data=data, controls=False)
    folders = Folders(tmp_path / "results", tmp_path / "leaderboards", tmp_path / "cache")

    def opened() -> Benchmark:
        return Benchmark.open(request, installed(), folders, device="cpu")

    plan = opened().plan
    rows = estimate.jobs(plan, "all")
    # One voxel is left out, so the others have to be written anew: 30 x 5,000 float32.
    assert estimate.totals(rows, plan).responses_mb == 0.6
    plan.data.responses("1")
    assert estimate.totals(rows, opened().plan).responses_mb == 0


def test_prepared_responses_have_their_place_in_the_last_line(tmp_path: Path) -> None:
    class Large(toy.ToyData):
        unprepared = 0

        def responses(self, subject: str) -> Responses | None:
            responses = super().responses(subject)
            return responses and replace(responses, unprepared=self.unprepared)

    def last_line(data: Large) -> str:
        folders = Folders(tmp_path / "results", tmp_path / "leaderboards", tmp_path / "cache")
        request = Request(dataset="toydata", encoders="toyfit")
        plan = Benchmark.open(request, toy.registry(datasets=[toy.dataset(data)]), folders, device="cpu").plan
        return estimate.text(estimate.jobs(plan, "all"), plan).splitlines()[-1]

    large = Large()
    assert "prepared" not in last_line(large)
    large.unprepared = 1_500_000
    assert last_line(large).startswith("disk: features unknown and prepared responses 3.0 MB in the cache, results ")


def test_results_hold_the_predictions_of_unmeasured_stimuli(tmp_path: Path) -> None:
    class More(toy.ToyData):
        unmeasured: tuple[int, ...] = ()

        def stimuli(self, subject: str) -> Stimuli:
            return replace(super().stimuli(subject), unmeasured=self.unmeasured)

        def responses(self, subject: str) -> Responses | None:
            responses = super().responses(subject)
            wide = np.repeat(np.arange(6), 10_000)
            return responses and replace(responses, values=responses.values[:, wide], rois={})

    def results_mb(data: More) -> float:
        folders = Folders(tmp_path / "results", tmp_path / "leaderboards", tmp_path / "cache")
        request = Request(dataset="toydata", encoders="toyfit", subjects="1")
        plan = Benchmark.open(request, toy.registry(datasets=[toy.dataset(data)]), folders, device="cpu").plan
        return float(estimate.jobs(plan, "all")[-1]["results_mb"])

    more = More()
    before = results_mb(more)
    more.unmeasured = tuple(range(50))
    assert results_mb(more) - before == pytest.approx(50 * 60_000 * 4 / 1e6)


def test_an_encoder_that_knows_what_its_fits_take_is_asked(tmp_path: Path) -> None:
    asked: list[dict[str, Any]] = []

    def memory(**sizes: Any) -> float:
        asked.append(sizes)
        return 5e6

    registry = toy.registry(backbones=[toy.backbone(layers=2, width=3)], encoders=[toy.encoder(memory=memory)])
    folders = Folders(tmp_path / "results", tmp_path / "leaderboards", tmp_path / "cache")
    request = Request(dataset="toydata", encoders="toyfit", backbones="toy/net", subjects="1", controls=False)
    row = estimate.jobs(Benchmark.open(request, registry, folders, device="cpu").plan, "all")[-1]
    assert row["memory_mb"] == pytest.approx(5 + 100 * 6 * 4 / 1e6, abs=0.1)
    assert asked[0] == {"images": 80, "test": 20, "voxels": 6, "layers": 2, "channels": 3, "settings": {}}
