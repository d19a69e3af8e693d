"""Which records stay, come back or make way, and what ends no run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import toy

from brainbench import Responses, Selectors, Setting
from brainbench.records import Record
from brainbench.results.arrays import read_arrays
from brainbench.util.folders import Folders

Runs = Callable[..., list[Record]]


def _stored(folder: Path) -> set[str]:
    return {path.stem for path in folder.glob("*.json")}


def test_other_settings_of_a_dataset_take_no_record_away(runs: Runs, folders: Folders) -> None:
    card = toy.dataset(settings=(Setting("zscore", str, "none", "", ("none", "session")),))
    registry = toy.registry(datasets=[card])
    usual = runs(registry, metrics="r2")
    # As of a dataset whose responses' key covers its settings.
    other = toy.registry(datasets=[replace(card, loader=lambda *, settings, data, cache: Scaled())])
    changed = runs(other, metrics="r2", settings=("toydata.zscore=session",))
    assert not {r.key for r in usual} & {r.key for r in changed}
    assert _stored(folders.results) == {r.key for r in [*usual, *changed]}


class Scaled(toy.ToyData):
    def responses(self, subject: str) -> Responses | None:
        found = super().responses(subject)
        return found and replace(found, key=f"scaled-{subject}")


def test_what_was_superseded_comes_back_when_it_is_asked_for(runs: Runs, folders: Folders) -> None:
    old = runs(metrics="r2")
    new = runs(toy.registry([toy.backbone(version="2")]), metrics="r2")
    before = toy.ToyEncoder.fits
    assert [r.to_json() for r in runs(metrics="r2")] == [r.to_json() for r in old]
    assert toy.ToyEncoder.fits == before
    assert _stored(folders.results) == {r.key for r in old}
    assert _stored(folders.results / "superseded") == {r.key for r in new}
    assert all(read_arrays(folders.results, r) is not None for r in old)


def test_a_job_that_failed_replaces_none_that_is_done(runs: Runs, folders: Folders) -> None:
    good = runs(metrics="r2")
    board = (folders.leaderboards / "toydata.csv").read_text()
    bad = runs(toy.registry([toy.backbone(version="2", make=lambda: 1 / 0)]), metrics="r2")
    assert {r.status for r in bad} == {"failed"}
    assert _stored(folders.results) == {r.key for r in [*good, *bad]}
    assert (folders.leaderboards / "toydata.csv").read_text() == board
    assert "division by zero" in (folders.leaderboards / "toydata.md").read_text()
    # What is done replaces both.
    last = runs(toy.registry([toy.backbone(version="3")]), metrics="r2")
    assert _stored(folders.results) == {r.key for r in last}


def test_a_noise_ceiling_with_nan_ends_no_run(runs: Runs) -> None:
    class Data(toy.ToyData):
        def responses(self, subject: str) -> Responses | None:
            found = super().responses(subject)
            ceiling = np.array([np.nan, 0.5, 0.5, np.nan, np.nan, np.nan], np.float32)
            return found and replace(found, noise_ceiling=ceiling)

    records = runs(toy.registry(datasets=[toy.dataset(Data())]), metrics="r2")
    assert {record.status for record in records} == {"done"}
    assert [record.dataset.noise_ceiling for record in records] == [{"all": 0.5, "V1": 0.5}] * 2


def test_what_no_record_can_hold_fails_its_own_job(runs: Runs) -> None:
    class Noted(toy.ToyFitted):
        def __init__(self, weights: np.ndarray, selectors: Selectors) -> None:
            super().__init__(weights, selectors)
            self.notes = [object()]  # type: ignore[list-item]

    class Encoder(toy.ToyEncoder):
        def fit(self, features: Any, responses: Responses, context: Any) -> toy.ToyFitted:
            made = super().fit(features, responses, context)
            return Noted(made.weights, made.selectors)

    registry = toy.registry(encoders=[toy.encoder(make=Encoder), toy.encoder("sound")])
    found = {r.encoder.name: r for r in runs(registry, encoders="toyfit,sound", metrics="r2") if r.encoder}
    assert found["sound"].status == "done"
    assert found["toyfit"].failure is not None
    assert found["toyfit"].failure.stage == "record"
