from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import toy
from PIL import Image

from brainbench import PluginError, Responses, Score, Selectors, Setting, Stimuli, StoreError, Tokens, UsageError
from brainbench.planning import keys
from brainbench.planning.request import Request
from brainbench.plugins import Plugin
from brainbench.records import Record
from brainbench.registry import Registry
from brainbench.results.arrays import read_arrays
from brainbench.runner.benchmark import Benchmark
from brainbench.util.folders import Folders
from brainbench.util.progress import Silent

Runs = Callable[..., list[Record]]


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders(tmp_path / "results", tmp_path / "leaderboards", tmp_path / "cache")


@pytest.fixture
def runs(folders: Folders) -> Runs:
    def go(registry: Registry | None = None, *, fresh: bool = False, keep: str = "all", **asked: Any) -> list[Record]:
        request = Request(**{"dataset": "toydata", "encoders": "toyfit", **asked})
        benchmark = Benchmark.open(request, registry or toy.registry(), folders, device="cpu", keep=keep, fresh=fresh)
        return list(benchmark.run(Silent()))

    return go


def test_every_backbone_encoder_subject_and_seed_becomes_a_record(runs: Runs, folders: Folders) -> None:
    records = runs(toy.registry([toy.backbone(parameters=7)]), seeds=2)
    fitted = [r for r in records if r.encoder]
    assert {r.backbone.parameters for r in records} == {7}
    assert {(r.dataset.subject, r.seed) for r in fitted} == {("1", 0), ("1", 1), ("2", 0), ("2", 1)}
    assert all(r.status == "done" and r.metrics["r2"].values["all"] > 0.99 for r in fitted)
    # One set of images for both subjects: the token metric runs once.
    assert [r.metrics["count"].values for r in records if not r.encoder] == [{"count": 100.0}]
    stored = {path.stem for path in folders.results.glob("*.json")}
    assert stored == {r.key for r in records}
    assert "toy/net" in (folders.leaderboards / "toydata.md").read_text()


def test_tokens_are_read_once_for_all_subjects_and_seeds(runs: Runs) -> None:
    net = toy.ToyNet()
    runs(toy.registry([toy.backbone(make=lambda: net)]), seeds=3)
    assert 100 <= net.images < 200  # some are read again to find out how large a batch may be


def test_a_finished_job_is_not_run_again(runs: Runs) -> None:
    runs()
    before = toy.ToyEncoder.fits
    again = runs()
    assert toy.ToyEncoder.fits == before
    assert all(r.status == "done" for r in again)
    runs(fresh=True)
    assert toy.ToyEncoder.fits == before + 2


def test_another_metric_version_scores_the_stored_predictions_without_a_fit(runs: Runs) -> None:
    runs()
    before = toy.ToyEncoder.fits
    (first, *_) = [r for r in runs(settings=("r2.bonus=2",)) if r.encoder]
    assert toy.ToyEncoder.fits == before
    assert first.metrics["r2"].values["all"] == pytest.approx(3, abs=0.01)


def test_other_code_of_a_metric_scores_anew_under_the_same_version(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    runs()
    before, digest = toy.ToyEncoder.fits, keys.code_digest
    monkeypatch.setattr(toy.ToyMetric, "score", lambda self, inputs: Score({"all": 0.25}))
    monkeypatch.setattr(
        keys, "code_digest", lambda card, plugin: "edited" if card.name == "r2" else digest(card, plugin)
    )
    again = [r for r in runs() if r.encoder]
    assert [r.metrics["r2"].values["all"] for r in again] == [0.25, 0.25]
    assert toy.ToyEncoder.fits == before


def test_a_fresh_run_reads_no_stored_tokens(runs: Runs) -> None:
    net = toy.ToyNet()
    registry = toy.registry([toy.backbone(make=lambda: net)])
    stored = next(r for r in runs(registry) if r.encoder)
    net.scale, net.images = 0.0, 0
    fresh = next(r for r in runs(registry, fresh=True) if r.encoder)
    assert 100 <= net.images < 200  # once for both subjects
    assert fresh.metrics["r2"].values["all"] < 0.5 < stored.metrics["r2"].values["all"]


def test_scored_anew_the_stored_arrays_keep_their_rois(runs: Runs, folders: Folders) -> None:
    from brainbench.results.arrays import StoredArrays

    runs()
    (first, *_) = [r for r in runs(settings=("r2.bonus=2",)) if r.encoder]
    stored = StoredArrays(folders.results, first)
    assert {"predictions", "per_voxel.r2", "selectors.layer", "roi.V1", "roi.EBA"} == set(stored)


def test_a_metric_over_records_makes_no_job_and_is_in_no_record(runs: Runs, folders: Folders) -> None:
    from brainbench.builtin.metrics.cards import RSSD

    registry = toy.registry(metrics=[toy.R2, toy.COUNT, RSSD])
    records = runs(registry, metrics="r2,count,rssd")
    assert {name for record in records for name in record.metrics} == {"r2", "count"}
    assert {record.key for record in records} == {record.key for record in runs(registry, metrics="r2,count")}
    runs(registry, metrics="r2,rssd")
    board = (folders.leaderboards / "toydata.csv").read_text().splitlines()
    assert "RSSD,RSSD sd,RSSD V1,RSSD V1 sd,RSSD EBA,RSSD EBA sd,cells" in board[0]
    assert board[1].endswith("0,0,0,0,0,0,2/2")  # alone on the board, it is the best everywhere


def test_metrics_over_records_alone_are_refused_before_anything_runs(runs: Runs) -> None:
    from brainbench.builtin.metrics.cards import COST, RSSD

    message = (
        "--metrics rssd,cost: computed from the records of other metrics.*e.g. r2,rssd,cost; .*leaderboard --metrics"
    )
    with pytest.raises(UsageError, match=message):
        runs(toy.registry(metrics=[toy.R2, RSSD, COST]), metrics="rssd,cost")


def test_without_stored_predictions_another_metric_version_means_another_fit(runs: Runs) -> None:
    runs(keep="scores")
    before = toy.ToyEncoder.fits
    runs(settings=("r2.bonus=2",), keep="scores")
    assert toy.ToyEncoder.fits == before + 2


def test_the_artifacts_are_what_the_record_says(runs: Runs, folders: Folders) -> None:
    from brainbench.results.arrays import read_arrays

    record = next(r for r in runs() if r.encoder)
    found = read_arrays(folders.results, record)
    assert found is not None
    arrays, attributes = found
    assert arrays["predictions"].shape == (20, 6)
    assert attributes["ids"] == [f"im{i:03d}" for i in range(4, 100, 5)]
    assert arrays["selectors.layer"].shape == (6, 2)
    assert (arrays["roi.V1"].dtype, arrays["roi.V1"].tolist()) == (bool, [True] * 3 + [False] * 3)
    assert arrays["roi.EBA"].tolist() == [False] * 3 + [True] * 3
    assert (folders.results / f"{record.key}.safetensors").exists()
    # Another array of the same shape is not the one the record names.
    import zarr

    zarr.open_group(folders.results / f"{record.key}.zarr", mode="r+")["predictions"][0, 0] = 7.0
    assert read_arrays(folders.results, record) is None


def _without_records(folders: Folders) -> None:
    for path in folders.results.glob("*.json"):
        path.unlink()


def test_a_damaged_chunk_alone_is_computed_again(runs: Runs, folders: Folders) -> None:
    net = toy.ToyNet()
    registry = toy.registry([toy.backbone(make=lambda: net)])
    first = runs(registry)
    chunk = next(folders.features.glob("*/local/0/c/1/0/0/0"))
    content = bytearray(chunk.read_bytes())
    content[10] ^= 255
    chunk.write_bytes(content)
    net.images = 0
    _without_records(folders)
    again = runs(registry)
    assert 36 <= net.images < 100  # the second chunk has 36 images
    assert [r.metrics["r2"].values for r in again if r.encoder] == [r.metrics["r2"].values for r in first if r.encoder]
    assert chunk.read_bytes() != content


def test_a_missing_chunk_is_not_read_as_zeros(runs: Runs, folders: Folders) -> None:
    first = runs()
    next(folders.features.glob("*/global/0/c/0/0")).unlink()
    _without_records(folders)
    again = runs()
    assert [r.metrics["r2"].values for r in again if r.encoder] == [r.metrics["r2"].values for r in first if r.encoder]


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


def test_a_dataset_without_responses_gives_token_metrics_alone(runs: Runs) -> None:
    data = toy.ToyData(provides=frozenset())
    records = runs(toy.registry(datasets=[toy.dataset(data)]))
    assert [(r.encoder, list(r.metrics)) for r in records] == [(None, ["count"])]
    with pytest.raises(
        UsageError, match="toydata has no responses, and every metric asked for needs some; without: count"
    ):
        runs(toy.registry(datasets=[toy.dataset(data)]), metrics="r2")


def test_a_dataset_that_raises_is_one_line_with_its_plugin(runs: Runs) -> None:
    class Broken(toy.ToyData):
        def responses(self, subject: str) -> Any:
            raise KeyError("betas")

    with pytest.raises(
        PluginError, match="dataset toydata of toy-dist 1.0 failed to give responses: KeyError: 'betas'"
    ):
        runs(toy.registry(datasets=[toy.dataset(Broken())]))


def test_a_record_that_newer_code_replaces_leaves_the_board(runs: Runs, folders: Folders) -> None:
    old = runs()
    new = runs(toy.registry([toy.backbone(version="2")]))
    assert not {r.key for r in old} & {r.key for r in new}
    assert {p.stem for p in folders.results.glob("*.json")} == {r.key for r in new}
    assert {p.stem for p in (folders.results / "superseded").glob("*.json")} == {r.key for r in old}


def test_a_damaged_record_is_done_again(runs: Runs, folders: Folders) -> None:
    record = runs()[0]
    path = folders.results / f"{record.key}.json"
    whole = json.loads(path.read_text())
    path.write_text(path.read_text()[:100])
    runs()
    assert json.loads(path.read_text())["metrics"] == whole["metrics"]


def test_two_seeds_of_a_run_twice_give_the_same_board(runs: Runs, folders: Folders) -> None:
    runs(seeds=2)
    board = (folders.leaderboards / "toydata.md").read_bytes()
    runs(seeds=2, fresh=True)
    assert (folders.leaderboards / "toydata.md").read_bytes() == board


def test_tokens_that_are_all_zero_are_stored_all_the_same(runs: Runs, folders: Folders) -> None:
    net = toy.ToyNet(scale=0)
    registry = toy.registry([toy.backbone(make=lambda: net)])
    runs(registry)
    net.images = 0
    _without_records(folders)
    runs(registry)
    assert net.images == 0


class BadMetric:
    def score(self, inputs: Any) -> Any:
        raise ArithmeticError("no such mean")


def test_a_broken_metric_fails_its_job_and_the_others_figures_stay(runs: Runs) -> None:
    bad = replace(toy.R2, name="bad", loader=lambda *, settings: BadMetric())
    registry = toy.registry(metrics=[toy.R2, toy.COUNT, bad])
    fitted = [r for r in runs(registry) if r.encoder]
    assert {r.status for r in fitted} == {"failed"}
    assert all(r.failure and r.failure.stage == "metric bad" and "no such mean" in r.failure.message for r in fitted)
    assert all(r.metrics["r2"].values["all"] > 0.99 for r in fitted)
    # Asked for without it, the job is whole; nothing is fitted again for that.
    before = toy.ToyEncoder.fits
    assert {r.status for r in runs(registry, metrics="r2,count")} == {"done"}
    assert toy.ToyEncoder.fits == before


def test_a_subject_without_responses_has_no_fits(runs: Runs) -> None:
    class Half(toy.ToyData):
        def responses(self, subject: str) -> Any:
            return super().responses(subject) if subject == "1" else None

    records = runs(toy.registry(datasets=[toy.dataset(Half())]))
    assert {(r.dataset.subject, r.status) for r in records if r.encoder} == {("1", "done")}


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
    assert [path.name for path in folders.results.iterdir()] == [".locks"]


def test_figures_that_another_run_asked_for_stay(runs: Runs) -> None:
    count = replace(toy.COUNT, name="again")
    registry = toy.registry(metrics=[toy.R2, toy.COUNT, count])
    runs(registry, metrics="r2,count")
    (alone,) = [r for r in runs(registry, metrics="again") if not r.encoder]
    assert alone.metrics.keys() == {"count", "again"}


def test_a_metric_scored_later_leaves_its_figures_per_voxel_too(runs: Runs, folders: Folders) -> None:
    from brainbench.results.arrays import read_arrays

    runs(metrics="r2")
    later = replace(toy.R2, name="later")
    record = next(r for r in runs(toy.registry(metrics=[toy.R2, later]), metrics="later") if r.encoder)
    found = read_arrays(folders.results, record)
    assert found is not None
    assert {"predictions", "per_voxel.r2", "per_voxel.later"} <= found[0].keys()
    np.testing.assert_array_equal(found[0]["per_voxel.later"], found[0]["per_voxel.r2"])


def test_a_later_failure_does_not_take_earlier_figures_along(runs: Runs, folders: Folders) -> None:
    import shutil

    needy = replace(toy.R2, name="needy", needs=toy.R2.needs | {"tokens"})
    registry = toy.registry(metrics=[toy.R2, needy])
    first = [r for r in runs(registry, metrics="r2") if r.encoder]
    shutil.rmtree(folders.features)
    broken = toy.registry([toy.backbone(make=lambda: 1 / 0)], metrics=[toy.R2, needy])
    failed = [r for r in runs(broken, metrics="r2,needy") if r.encoder]
    assert {r.status for r in failed} == {"failed"}
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


def test_a_metric_of_dissimilarities_sees_those_of_others_who_saw_the_same_images(runs: Runs) -> None:
    class Dissimilar(toy.ToyData):
        def stimuli(self, subject: str) -> Any:
            stimuli = super().stimuli(subject)
            return replace(stimuli, digests=stimuli.digests[::-1]) if subject == "4" else stimuli

        def dissimilarities(self, subject: str) -> Any:
            return None if subject == "3" else np.full((100, 100), float(subject))

    class Listing:
        def score(self, inputs: Any) -> Score:
            return Score(
                {"own": inputs.dissimilarities[0, 0], "others": sum(m[0, 0] for m in inputs.other_dissimilarities)}
            )

    facts: Any = {"needs": frozenset({"dissimilarities"}), "loader": lambda *, settings: Listing()}
    data = Dissimilar(subjects=("1", "2", "3", "4", "5"), provides=frozenset({"dissimilarities"}))
    registry = toy.registry(metrics=[replace(toy.COUNT, name="listing", **facts)], datasets=[toy.dataset(data)])
    found = {r.dataset.subject: r.metrics["listing"].values for r in runs(registry)}
    assert found == {
        "1": {"own": 1, "others": 7},
        "2": {"own": 2, "others": 6},
        "3": {},
        "4": {"own": 4, "others": 0},
        "5": {"own": 5, "others": 3},
    }
    # Whoever else is asked for does not change what a subject is held against.
    assert [r.metrics["listing"].values for r in runs(registry, subjects="5", fresh=True)] == [found["5"]]


class Keeping(toy.ToyEncoder):
    """Writes into its folder, then does ``then``. seen: what lay there when each fit began."""

    def __init__(self, then: Callable[[], Any]) -> None:
        self.then, self.seen = then, list[list[str]]()

    def fit(self, features: Any, responses: Any, context: Any) -> Any:
        self.seen.append([path.name for path in context.folder.iterdir()] if context.folder.exists() else [])
        context.folder.mkdir(parents=True, exist_ok=True)
        (context.folder / "state").touch()
        context.message("state written")
        self.then()
        return super().fit(features, responses, context)


def interrupt() -> None:
    raise KeyboardInterrupt


def fail() -> None:
    raise RuntimeError("diverged")


@pytest.mark.parametrize("keep", ["all", "scores"])
def test_what_a_fit_keeps_lasts_until_its_record_is_written(runs: Runs, folders: Folders, keep: str) -> None:
    encoder = Keeping(interrupt)
    registry = toy.registry(encoders=[toy.encoder(make=lambda: encoder)])
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            runs(registry, metrics="r2", keep=keep)
        assert [path.name for path in (folders.results / ".fits").glob("*/*")] == ["state"]
    encoder.then = lambda: None
    runs(registry, metrics="r2", keep=keep)
    assert encoder.seen == [[], ["state"], ["state"], []]
    assert not list((folders.results / ".fits").iterdir())


def test_a_fit_that_fails_starts_over_and_so_does_a_fresh_one(runs: Runs, folders: Folders) -> None:
    encoder = Keeping(fail)
    registry = toy.registry(encoders=[toy.encoder(make=lambda: encoder)])
    assert {record.status for record in runs(registry, metrics="r2", subjects="1")} == {"failed"}
    assert not list((folders.results / ".fits").iterdir())
    encoder.then = interrupt
    for fresh in (False, True):
        with pytest.raises(KeyboardInterrupt):
            runs(registry, metrics="r2", subjects="1", fresh=fresh)
    assert encoder.seen == [[], [], []]


def test_what_a_kill_after_the_record_left_is_removed(runs: Runs, folders: Folders) -> None:
    (record,) = runs(metrics="r2", subjects="1")
    (folders.results / ".fits" / record.key).mkdir(parents=True)
    runs(metrics="r2", subjects="1")
    assert not list((folders.results / ".fits").iterdir())


def test_what_a_fit_says_comes_with_its_job(folders: Folders) -> None:
    class Heard(Silent):
        def message(self, text: str) -> None:
            said.append(text)

    said: list[str] = []
    registry = toy.registry(encoders=[toy.encoder(make=lambda: Keeping(lambda: None))])
    request = Request(dataset="toydata", encoders="toyfit", metrics="r2", subjects="1")
    list(Benchmark.open(request, registry, folders, device="cpu").run(Heard()))
    (line,) = [text for text in said if "state written" in text]
    assert line == f"{next(t for t in said if t.startswith('[1/1]'))[6:].rsplit(': ', 1)[0]}: state written"


def test_a_list_of_sizes_is_a_fit_for_each_and_a_curve(runs: Runs, folders: Folders) -> None:
    records = runs(settings=("toydata.train_images=5,20,0",), seeds=2)
    fitted = [r for r in records if r.encoder]
    assert [(r.dataset.changed, r.dataset.split_sizes["train"]) for r in fitted if r.seed == 0] == [
        ({"train_images": 5}, 5),
        ({"train_images": 20}, 20),
        ({}, 60),
    ] * 2
    assert len({r.key for r in fitted}) == 12
    assert all(r.dataset.split_sizes["test"] == 20 for r in fitted)
    full = {r.dataset.subject: r.dataset.split_hash for r in fitted if not r.dataset.changed}
    assert all((r.dataset.full_split_hash or r.dataset.split_hash) == full[r.dataset.subject] for r in fitted)
    assert fitted[0].notes[0] == "trained on 5 of 60 training images"
    table = pd.read_csv(folders.leaderboards / "toydata.curve.csv")
    assert len(table) == 1
    for heading, found in (("5", {"train_images": 5}), ("20", {"train_images": 20}), ("all", {})):
        expected = [r.metrics["r2"].values["all"] for r in fitted if r.dataset.changed == found]
        assert table[heading][0] == pytest.approx(np.mean(expected), rel=1e-5)
        assert table[f"{heading} sd"][0] == pytest.approx(np.std(expected, ddof=1), rel=1e-5)


def test_all_the_images_there_are_is_no_other_job(runs: Runs, folders: Folders) -> None:
    whole = runs()
    assert {r.key for r in runs(settings=("toydata.train_images=60,0",))} == {r.key for r in whole}
    assert not (folders.leaderboards / "toydata.curve.md").exists()


def test_more_images_than_there_are_ends_the_run_before_it_starts(runs: Runs, folders: Folders) -> None:
    with pytest.raises(UsageError, match="toydata.train_images=61: subject 1 has 60 training images"):
        runs(settings=("toydata.train_images=20,61",))
    assert not folders.results.exists()


def test_a_later_size_takes_no_record_away(runs: Runs, folders: Folders) -> None:
    first = runs(settings=("toydata.train_images=5",))
    second = runs(settings=("toydata.train_images=20",))
    assert {path.stem for path in folders.results.glob("*.json")} == {r.key for r in first + second}


def test_the_loader_of_a_dataset_gets_its_own_settings_alone(runs: Runs) -> None:
    given: list[dict[str, Any]] = []

    def load(*, settings: dict[str, Any], data: Path | None, cache: Path) -> toy.ToyData:
        given.append(dict(settings))
        return toy.ToyData()

    card = replace(toy.dataset(settings=(Setting("seed", int, 0, ""),)), loader=load)
    records = runs(toy.registry(datasets=[card]), settings=("toydata.train_images=5,9", "toydata.seed=2"))
    assert given == [{"seed": 2}]
    assert records[-1].dataset.changed == {"seed": 2, "train_images": 9}


class Partly(toy.ToyData):
    """The last two images of a hundred and two were shown to nobody."""

    unmeasured: tuple[int, ...] = (100, 101)

    def stimuli(self, subject: str) -> Stimuli:
        images = toy.pictures(102)
        shown = super().stimuli(subject)
        more = tuple(hashlib.sha256(image.tobytes()).hexdigest() for image in images[100:])
        ids = (*shown.ids, "new a", "new b")
        return Stimuli(ids, shown.digests + more, lambda i: Image.fromarray(images[i]), unmeasured=self.unmeasured)


def test_stimuli_without_responses_are_predicted_too(runs: Runs, folders: Folders) -> None:
    (_, fitted) = runs(toy.registry(datasets=[toy.dataset(Partly())]), subjects="1")
    found = read_arrays(folders.results, fitted)
    assert found is not None
    arrays, attributes = found
    assert attributes["unmeasured_ids"] == ["new a", "new b"]
    assert (arrays["unmeasured"].shape, arrays["unmeasured"].dtype) == ((2, 6), np.float32)
    # The toy brain's responses are linear in mean colour, and nearly without noise.
    colours = toy.pictures(102).mean(axis=(1, 2)) / 255
    expected = colours[100:] @ np.random.default_rng(1).normal(size=(3, 6))
    np.testing.assert_allclose(arrays["unmeasured"], expected, atol=0.01)
    # Nobody measured them, so no figure knows of them.
    assert len(arrays["predictions"]) == fitted.dataset.split_sizes["test"] == 20
    # Scored anew, they stay.
    (_, again) = runs(toy.registry(datasets=[toy.dataset(Partly())]), subjects="1", settings=("r2.bonus=1",))
    found = read_arrays(folders.results, again)
    assert found is not None
    assert np.array_equal(found[0]["unmeasured"], arrays["unmeasured"])


def test_other_unmeasured_stimuli_are_another_job_and_none_leave_no_trace(runs: Runs, folders: Folders) -> None:
    fewer = Partly()
    fewer.unmeasured = (101,)
    keys, shapes = set(), []
    for data in (Partly(), fewer):
        record = runs(toy.registry(datasets=[toy.dataset(data)]), subjects="1")[-1]
        keys.add(record.key)
        shapes.append(read_arrays(folders.results, record)[0]["unmeasured"].shape)  # type: ignore[index]
    assert len(keys) == 2
    assert shapes == [(2, 6), (1, 6)]
    found = read_arrays(folders.results, runs(subjects="1")[-1])
    assert found is not None
    assert "unmeasured" not in found[0]
    assert "unmeasured_ids" not in found[1]


class BlindTo100(toy.ToyEncoder):
    """Predicts NaN for the stimuli that nobody was shown."""

    def fit(self, features: Any, responses: Responses, context: Any) -> Any:
        fitted = super().fit(features, responses, context)
        predict = fitted.predict
        fitted.predict = lambda features, rows: np.where(rows[:, None] < 100, predict(features, rows), np.nan)  # type: ignore[method-assign]
        return fitted


def test_predictions_of_unmeasured_stimuli_are_checked_as_the_others_are(runs: Runs) -> None:
    registry = toy.registry(encoders=[toy.encoder(make=BlindTo100)], datasets=[toy.dataset(Partly())])
    record = runs(registry, subjects="1")[-1]
    assert record.failure is not None
    assert "predict() gave NaN or infinite values" in record.failure.message


def test_a_record_tells_the_anonymous_memory_of_its_job(runs: Runs) -> None:
    from brainbench.util.memory import anonymous_mb

    now = anonymous_mb()
    found = [record.cost.peak_anonymous_mb for record in runs()]
    assert len(found) == 3
    if now is None:
        assert found == [None] * 3
    else:
        assert all(mb is not None and abs(mb - now) < 0.5 * now for mb in found)
