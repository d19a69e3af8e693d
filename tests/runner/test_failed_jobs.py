"""Jobs that fail: what is said, what is kept, and that the others go on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
import toy

from brainbench import PluginError, Selectors, StoreError, Tokens
from brainbench.plugins import Plugin
from brainbench.records import Record
from brainbench.registry import Registry
from brainbench.runner.jobs import exit_code
from brainbench.util.folders import Folders

Runs = Callable[..., list[Record]]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("make", "stage", "message"),
    [
        (lambda: 1 / 0, "load", "ZeroDivisionError: division by zero"),
        (lambda: "nothing", "load", "PluginError: bad/net: load\\(\\) returned str, expected a Backbone"),
        (lambda: _net(lambda b: 1 / 0), "tokens", "ZeroDivisionError"),
        (lambda: _net(lambda b: [b]), "tokens", "must return brainbench.Tokens, got list"),
        (lambda: _net(lambda b: Tokens((b,), (b.mean((2, 3)),))), "tokens", "gave 1 local and 1 global layers, expected 2"),
        (lambda: _net(lambda b: Tokens.from_local((b[:1], b))), "tokens", r"layer colour are \[1, 3, 8, 8\], expected \[32, C"),
        (lambda: _net(lambda b: Tokens.from_local((b * torch.nan, b))), "tokens", "layer colour hold NaN or infinite"),
        (lambda: toy.ToyNet(scale=1e6), "tokens", r"cannot hold; run with --set bad/net.dtype=float32"),
    ],
)  # fmt: skip
def test_a_broken_backbone_fails_its_own_rows_and_names_its_plugin(
    runs: Runs, folders: Folders, make: Callable[[], Any], stage: str, message: str
) -> None:
    records = runs(toy.registry([toy.backbone(), toy.backbone("bad/net", make=make)]))
    bad = [r for r in records if r.backbone.name == "bad/net"]
    assert len(bad) == 3
    for record in bad:
        assert record.status == "failed"
        assert record.failure is not None
        assert record.failure.plugin == "toy-dist 1.0"
        assert record.failure.stage == stage
        with pytest.raises(AssertionError, match=message):
            raise AssertionError(f"{record.failure.type}: {record.failure.message}")
    assert all(r.status == "done" for r in records if r.backbone.name == "toy/net")
    page = (folders.leaderboards / "toydata.md").read_text()
    assert "0/2" in page
    assert "toy-dist 1.0 failed at" in page


def _net(tokens: Callable[[torch.Tensor], Any]) -> toy.ToyNet:
    net = toy.ToyNet()
    net.tokens = tokens  # type: ignore[method-assign, assignment]
    return net


def test_a_failed_job_is_tried_again(runs: Runs) -> None:
    net = _net(lambda b: 1 / 0)
    registry = toy.registry([toy.backbone(make=lambda: net)])
    assert {r.status for r in runs(registry)} == {"failed"}
    del net.tokens
    assert {r.status for r in runs(registry)} == {"done"}


class Worse(toy.ToyEncoder):
    """Predicts one voxel too few."""

    def fit(self, *arguments: Any) -> Any:
        fitted = super().fit(*arguments)
        fitted.weights = fitted.weights[:, :-1]
        return fitted


class Raises(toy.ToyEncoder):
    def fit(self, *arguments: Any) -> Any:
        raise RuntimeError("no way\nforward")


class Nan(toy.ToyEncoder):
    def fit(self, *arguments: Any) -> Any:
        fitted = super().fit(*arguments)
        fitted.weights = fitted.weights * np.nan
        return fitted


class Endless(toy.ToyEncoder):
    """Its history holds no figure that a record can hold."""

    def fit(self, *arguments: Any) -> Any:
        fitted = super().fit(*arguments)
        fitted.history = [{"step": 1.0, "loss": 0.5}, {"step": 2.0, "loss": float("inf")}]
        return fitted


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (Endless, "PluginError: bad: row 2 of the fit's history says loss = inf: figures must be finite numbers"),
        (Worse, "predict\\(\\) gave \\[20, 5\\], expected \\[20, 6\\]"),
        (Raises, "RuntimeError: no way forward"),
        (Nan, "NaN or infinite"),
    ],
)
def test_a_broken_encoder_fails_its_own_rows(runs: Runs, make: type, message: str) -> None:
    records = runs(toy.registry(encoders=[toy.encoder(), toy.encoder("bad", make=make)]), encoders="bad,toyfit")
    for record in records:
        bad = record.encoder is not None and record.encoder.name == "bad"
        assert record.status == ("failed" if bad else "done")
        if bad and record.failure:
            with pytest.raises(AssertionError, match=message):
                raise AssertionError(f"{record.failure.type}: {record.failure.message}")


def test_a_full_disk_ends_the_run_in_one_line(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    import errno

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "chunk")

    monkeypatch.setattr("brainbench.pipeline.feature_store.FeatureStore.write", full)
    with pytest.raises(StoreError, match="cannot write chunk: the disk is full: free some space"):
        runs()


def test_results_that_cannot_be_a_folder_end_the_run_before_it_starts(runs: Runs, folders: Folders) -> None:
    folders.results.write_text("a file")
    with pytest.raises(StoreError, match="a file has the name of the folder that is needed"):
        runs()


def test_a_dataset_that_raises_is_one_line_with_its_plugin(runs: Runs) -> None:
    class Broken(toy.ToyData):
        def responses(self, subject: str) -> Any:
            raise KeyError("betas")

    with pytest.raises(
        PluginError, match="dataset toydata of toy-dist 1.0 failed to give responses: KeyError: 'betas'"
    ):
        runs(toy.registry(datasets=[toy.dataset(Broken())]))


class BadMetric:
    def score(self, inputs: Any) -> Any:
        raise ArithmeticError("no such mean")


def test_a_broken_metric_fails_alone(runs: Runs, folders: Folders) -> None:
    bad = replace(toy.R2, name="bad", loader=lambda *, settings: BadMetric())
    registry = toy.registry(metrics=[toy.R2, toy.COUNT, bad])
    fitted = [r for r in runs(registry, seeds=2) if r.encoder]
    assert {r.status for r in fitted} == {"done"}
    reasons = [str(failure) for r in fitted for failure in r.failures]
    assert reasons == ["toy-dist 1.0 failed at metric bad: ArithmeticError: no such mean"] * 4
    assert all(r.metrics["r2"].values["all"] > 0.99 for r in fitted)
    assert exit_code(fitted) == 1
    # The board shows the row with its rank, and why one of its columns is empty.
    board = (folders.leaderboards / "toydata.md").read_text()
    assert "no such mean" in board
    assert "4/4" in board
    # The metric is tried again; nothing is fitted again for that.
    before = toy.ToyEncoder.fits
    mended = toy.registry(metrics=[toy.R2, toy.COUNT, replace(toy.R2, name="bad")])
    assert not [failure for r in runs(mended, seeds=2) for failure in r.failures]
    assert toy.ToyEncoder.fits == before


class Crooked(toy.ToyEncoder):
    def fit(self, *arguments: Any) -> Any:
        fitted = super().fit(*arguments)
        fitted.selectors = Selectors(("colour", "grey"), layer=np.ones((6, 3)))
        return fitted


def test_selectors_of_a_wrong_shape_are_refused(runs: Runs) -> None:
    records = runs(toy.registry(encoders=[toy.encoder(make=Crooked)]))
    failures = {r.failure.message for r in records if r.failure}
    assert failures == {"toyfit: the layer selector is [6, 3], expected [6, 2]"}


def test_a_disk_that_fills_between_arrays_and_parameters_leaves_neither(
    runs: Runs, folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    import errno

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("brainbench.results.artifacts.write_parameters", full)
    with pytest.raises(StoreError, match="the disk is full"):
        runs(metrics="r2")
    assert sorted(path.name for path in folders.results.iterdir()) == [".locks", ".runs"]


def test_a_later_failure_does_not_take_earlier_figures_along(runs: Runs, folders: Folders) -> None:
    import shutil

    needy = replace(toy.R2, name="needy", needs=toy.R2.needs | {"tokens"})
    registry = toy.registry(metrics=[toy.R2, needy])
    first = [r for r in runs(registry, metrics="r2") if r.encoder]
    shutil.rmtree(folders.features)
    broken = toy.registry([toy.backbone(make=lambda: 1 / 0)], metrics=[toy.R2, needy])
    failed = [r for r in runs(broken, metrics="r2,needy") if r.encoder]
    assert {r.status for r in failed} == {"done"}
    assert all([failure.stage for failure in r.failures] == ["load"] for r in failed)
    assert [r.metrics["r2"] for r in failed] == [r.metrics["r2"] for r in first]
    assert {r.status for r in runs(registry, metrics="r2,needy")} == {"done"}


def test_an_image_that_cannot_be_opened_is_the_datasets_failure(runs: Runs) -> None:
    class Gone(toy.ToyData):
        def stimuli(self, subject: str) -> Any:
            def missing(row: int) -> Any:
                raise FileNotFoundError("im007.png is gone")

            return replace(super().stimuli(subject), open=missing)

    data = Plugin("data", "data-dist", "3.0", {"datasets": (toy.dataset(Gone()),)})
    plain = toy.registry(datasets=[])
    for record in runs(Registry([*plain.plugins, data])):
        assert record.failure is not None
        assert record.failure.plugin == "data-dist 3.0"
        assert record.failure.stage.startswith("image im0")


def test_a_dataset_that_fails_to_give_masks_fails_jobs_and_not_the_run(runs: Runs) -> None:
    class Maskless(toy.ToyData):
        def masks(self, subject: str) -> Any:
            raise KeyError("classes")

    records = runs(toy.registry(datasets=[toy.dataset(Maskless())]))
    assert {r.failure.stage for r in records if r.failure} == {"masks and dissimilarities"}
    assert all(r.failure for r in records)
