"""Metrics that need the parameters of a fit, and fits that share what they store in the cache."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import toy
from torch import Tensor

from brainbench import FitContext, MetricCard, MetricInputs, Responses, Score
from brainbench.commands.verify import verify
from brainbench.planning.request import Request
from brainbench.records import Record
from brainbench.registry import Registry
from brainbench.runner.benchmark import Benchmark
from brainbench.util.folders import Folders
from brainbench.util.progress import Silent


class Sharing(toy.ToyEncoder):
    """Writes how often it was fitted to its folder of the cache."""

    def fit(self, features: Any, responses: Responses, context: FitContext) -> Any:
        assert context.cache is not None
        context.cache.mkdir(parents=True, exist_ok=True)
        with (context.cache / "fits").open("a") as file:
            file.write("x")
        return super().fit(features, responses, context)


class Size:
    """How many numbers a fit consists of."""

    def score(self, inputs: MetricInputs) -> Score:
        assert inputs.parameters is not None
        assert inputs.predictions is None
        assert all(isinstance(tensor, Tensor) for tensor in inputs.parameters.values())
        return Score({"all": float(sum(np.abs(tensor.numpy()).sum() for tensor in inputs.parameters.values()))})


SIZE = MetricCard(
    name="size", loader=lambda *, settings: Size(), needs=frozenset({"parameters"}), columns={"all": "size"}
)
REGISTRY = toy.registry(encoders=[toy.encoder("sharing/one", make=Sharing)], metrics=[toy.R2, SIZE])
Go = Callable[..., list[Record]]


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders(tmp_path / "results", tmp_path / "leaderboards", tmp_path / "cache")


@pytest.fixture
def go(folders: Folders) -> Go:
    def run(metrics: str, known: Registry = REGISTRY) -> list[Record]:
        request = Request(encoders="sharing/one", metrics=metrics, dataset="toydata", subjects="1", controls=False)
        return list(Benchmark.open(request, known, folders, device="cpu").run(Silent()))

    return run


def test_a_metric_reads_the_parameters_of_a_fit_and_of_a_stored_one(go: Go, folders: Folders) -> None:
    (first,) = go("size")
    assert first.encoder is not None
    assert first.metrics["size"].values["all"] > 0
    changed = toy.registry(
        encoders=[toy.encoder("sharing/one", make=Sharing)], metrics=[toy.R2, replace(SIZE, version="2")]
    )
    before = Sharing.fits
    (again,) = go("size", changed)
    assert Sharing.fits == before
    assert again.metrics["size"].version == "2"
    assert again.metrics["size"].values == first.metrics["size"].values
    outcome = verify(folders, changed)
    assert (outcome.verified, outcome.problems, outcome.remarks) == (1, [], {})


def test_damaged_parameters_are_fitted_anew(go: Go, folders: Folders) -> None:
    (record,) = go("r2")
    (folders.results / f"{record.key}.safetensors").write_bytes(b"damaged")
    before = Sharing.fits
    (again,) = go("size")
    assert Sharing.fits == before + 1
    assert again.metrics["size"].values["all"] > 0


def test_fits_of_one_family_share_a_folder_of_the_cache(go: Go, folders: Folders) -> None:
    go("r2")
    assert (folders.cache / "encoders" / "sharing" / "fits").read_text() == "x"
