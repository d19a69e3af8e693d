"""Fits on some of the training images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import toy

from brainbench import Setting, UsageError
from brainbench.records import Record
from brainbench.util.folders import Folders

Runs = Callable[..., list[Record]]


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
