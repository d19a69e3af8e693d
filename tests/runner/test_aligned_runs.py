"""Metrics that need the tokens as the fitted encoder aligned them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import toy

from brainbench import Features, MetricCard, MetricInputs, Responses, Score
from brainbench.commands.verify import verify
from brainbench.planning.request import Request
from brainbench.records import Record
from brainbench.registry import Registry
from brainbench.runner.benchmark import Benchmark
from brainbench.util.folders import Folders
from brainbench.util.progress import Silent


class Doubled:
    """Features twice as large."""

    def __init__(self, features: Features) -> None:
        self._features = features

    def __len__(self) -> int:
        return len(self._features)

    def global_tokens(self, layer: int, rows: Any = slice(None)) -> np.ndarray:
        return 2 * self._features.global_tokens(layer, rows)


class AlignedFitted(toy.ToyFitted):
    def aligned(self, features: Features) -> Any:
        return Doubled(features)


class Aligner(toy.ToyEncoder):
    def fit(self, features: Any, responses: Responses, context: Any) -> AlignedFitted:
        fitted = super().fit(features, responses, context)
        return AlignedFitted(fitted.weights, fitted.selectors)


class Ratio:
    """How much larger aligned tokens are."""

    def score(self, inputs: MetricInputs) -> Score:
        assert inputs.aligned is not None
        assert inputs.features is not None
        assert inputs.predictions is None
        ratio = inputs.aligned.global_tokens(0) / inputs.features.global_tokens(0)
        return Score({"all": float(ratio.mean())})


RATIO = MetricCard(
    name="ratio",
    loader=lambda *, settings: Ratio(),
    needs=frozenset({"aligned", "tokens"}),
    columns={"all": "ratio"},
)


class Loud(Silent):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def message(self, text: str) -> None:
        self.said.append(text)


@pytest.fixture
def registry() -> Registry:
    return toy.registry(encoders=[toy.encoder("aligner", make=Aligner), toy.encoder()], metrics=[toy.R2, RATIO])


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders(tmp_path / "results", tmp_path / "leaderboards", tmp_path / "cache")


@pytest.fixture
def go(registry: Registry, folders: Folders) -> Callable[..., tuple[list[Record], list[str]]]:
    def run(metrics: str, encoders: str = "aligner", known: Registry = registry) -> tuple[list[Record], list[str]]:
        request = Request(encoders=encoders, metrics=metrics, dataset="toydata", subjects="1", controls=False)
        report = Loud()
        benchmark = Benchmark.open(request, known, folders, device="cpu")
        return list(benchmark.run(report)), report.said

    return run


Go = Callable[..., tuple[list[Record], list[str]]]


def test_a_metric_reads_them_with_the_fit_and_needs_an_encoder(go: Go) -> None:
    (record,), _ = go("ratio")
    assert record.encoder is not None
    assert record.metrics["ratio"].values == {"all": 2.0}


def test_without_a_channel_align_it_is_not_applicable(go: Go) -> None:
    (record,), _ = go("ratio,r2", "toyfit")
    assert record.status == "done"
    said = record.metrics["ratio"].not_applicable
    assert said == "there are no aligned tokens (this encoder has no channel align)"


def test_asked_for_later_the_fit_is_done_anew_and_said_so(go: Go, registry: Registry) -> None:
    go("r2")
    before = Aligner.fits
    (record,), said = go("ratio")
    assert Aligner.fits == before + 1
    assert {name: result.values.keys() for name, result in record.metrics.items()} == {"r2": {"all"}, "ratio": {"all"}}
    anew = "fitted anew: ratio needs aligned tokens, which are not stored"
    assert f"toy/net x aligner, subject 1, seed 0: {anew}" in said
    # What is there is there; another metric is scored from what is stored.
    _, said = go("ratio,r2")
    go(
        "r2",
        known=toy.registry(encoders=[toy.encoder("aligner", make=Aligner)], metrics=[replace(toy.R2, version="2")]),
    )
    assert Aligner.fits == before + 1
    assert not [text for text in said if "anew" in text]


def test_verified_it_is_counted_as_not_recomputed(go: Go, folders: Folders, registry: Registry) -> None:
    go("ratio,r2")
    outcome = verify(folders, registry)
    assert (outcome.verified, outcome.problems) == (1, [])
    assert outcome.remarks == {"ratio: not recomputed (needs aligned and tokens)": 1}
