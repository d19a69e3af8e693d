from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import toy

from brainbench import Score, UsageError
from brainbench.planning import keys
from brainbench.records import Record
from brainbench.results.arrays import read_arrays
from brainbench.util.folders import Folders

Runs = Callable[..., list[Record]]


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


def test_a_dataset_without_responses_gives_token_metrics_alone(runs: Runs) -> None:
    data = toy.ToyData(provides=frozenset())
    records = runs(toy.registry(datasets=[toy.dataset(data)]))
    assert [(r.encoder, list(r.metrics)) for r in records] == [(None, ["count"])]
    with pytest.raises(
        UsageError, match="toydata has no responses, and every metric asked for needs some; without: count"
    ):
        runs(toy.registry(datasets=[toy.dataset(data)]), metrics="r2")


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


def test_a_subject_without_responses_has_no_fits(runs: Runs) -> None:
    class Half(toy.ToyData):
        def responses(self, subject: str) -> Any:
            return super().responses(subject) if subject == "1" else None

    records = runs(toy.registry(datasets=[toy.dataset(Half())]))
    assert {(r.dataset.subject, r.status) for r in records if r.encoder} == {("1", "done")}


def test_figures_that_another_run_asked_for_stay(runs: Runs) -> None:
    count = replace(toy.COUNT, name="again")
    registry = toy.registry(metrics=[toy.R2, toy.COUNT, count])
    runs(registry, metrics="r2,count")
    (alone,) = [r for r in runs(registry, metrics="again") if not r.encoder]
    assert alone.metrics.keys() == {"count", "again"}


def test_a_metric_scored_later_leaves_its_figures_per_voxel_too(runs: Runs, folders: Folders) -> None:

    runs(metrics="r2")
    later = replace(toy.R2, name="later")
    record = next(r for r in runs(toy.registry(metrics=[toy.R2, later]), metrics="later") if r.encoder)
    found = read_arrays(folders.results, record)
    assert found is not None
    assert {"predictions", "per_voxel.r2", "per_voxel.later"} <= found[0].keys()
    np.testing.assert_array_equal(found[0]["per_voxel.later"], found[0]["per_voxel.r2"])


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


def test_a_record_tells_the_anonymous_memory_of_its_job(runs: Runs) -> None:
    from brainbench.util.memory import anonymous_mb

    now = anonymous_mb()
    found = [record.cost.peak_anonymous_mb for record in runs()]
    assert len(found) == 3
    if now is None:
        assert found == [None] * 3
    else:
        assert all(mb is not None and abs(mb - now) < 0.5 * now for mb in found)
