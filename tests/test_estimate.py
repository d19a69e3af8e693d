from __future__ import annotations

from pathlib import Path

import pytest
import toy

from brainbench import estimate
from brainbench.benchmark import Benchmark
from brainbench.matrix import Request
from brainbench.places import Places


@pytest.mark.parametrize(("budget", "expected"), [(10**9, 119.8), (50_000_000, 50.0)])
def test_a_fit_takes_its_tokens_or_what_it_may_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, budget: int, expected: float
) -> None:
    monkeypatch.setattr("brainbench.estimate.budget", lambda asked: budget)
    registry = toy.registry([toy.backbone(layers=12, width=768)])
    request = Request(dataset="toydata", encoders="toyfit", subjects="1")
    places = Places(tmp_path / "results", tmp_path / "leaderboards", tmp_path / "cache")
    rows = estimate.jobs(Benchmark.open(request, registry, places, device="cpu").plan, "all")
    assert [(row["encoder"], row["features_mb"], row["memory_mb"]) for row in rows] == [
        (None, 119.8, 119.8),
        ("toyfit", 119.8, expected),
    ]
