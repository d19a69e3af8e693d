from __future__ import annotations

import random
from dataclasses import replace
from io import StringIO
from math import sqrt
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import toy
from fits import failed, fit, stored, tokens

from brainbench import UsageError
from brainbench.builtin.metrics.cards import CONSISTENCY, COST, RSSD
from brainbench.leaderboard.files import board_files
from brainbench.leaderboard.render import render
from brainbench.leaderboard.shown_metrics import MetricRequest, installed_computed
from brainbench.records import Record

COMPUTED = installed_computed(toy.registry(metrics=[toy.R2, RSSD, CONSISTENCY, COST]))
V1 = np.array([True, True, False, False])


def voxels(folder: Path, record: Record, *r2: float) -> Record:
    return stored(folder, record, {"per_voxel.r2": np.array(r2, np.float32), "roi.V1": V1})


def two(folder: Path) -> list[Record]:
    """As in the test of the metric: a lacks 0 .4 0 .4, b .3 0 0 0."""
    return [voxels(folder, fit("a", 0.275), 0.5, 0.3, 0.1, 0.2), voxels(folder, fit("b", 0.4), 0.2, 0.7, 0.1, 0.6)]


def table(text: str) -> pd.DataFrame:
    return pd.read_csv(StringIO(text)).set_index("backbone")


BOARD = {Path(f"data.{ending}") for ending in ("md", "csv", "json", "tex")}


def test_without_a_wish_the_files_are_the_plain_boards(tmp_path: Path) -> None:
    records = [*two(tmp_path), tokens("a"), failed("c")]
    assert board_files(records, tmp_path, MetricRequest()) == render(records)


def test_a_computed_metric_stands_beside_those_of_the_records(tmp_path: Path) -> None:
    files = board_files(two(tmp_path), tmp_path, MetricRequest(COMPUTED, "r2,rssd"))
    assert set(files) == BOARD
    found = table(files[Path("data.csv")])
    assert found.loc["a", ["R2", "V1", "RSSD", "RSSD V1"]].tolist() == pytest.approx(
        [0.275, 0.275, sqrt(0.08), sqrt(0.08)], rel=1e-5
    )
    assert found.loc["b", ["rank", "RSSD", "RSSD V1"]].tolist() == pytest.approx([1, 0.15, sqrt(0.045)], rel=1e-5)
    page = files[Path("data.md")]
    assert "rssd: the 'max' model is the highest R2 of 2 rows" in page
    assert "**0.150**" in page  # lower is better


def test_seeds_and_subjects_are_pooled_and_a_joining_row_moves_the_others(tmp_path: Path) -> None:
    records = two(tmp_path)
    records += [
        voxels(tmp_path, fit("a", 0.2, subject="2"), *[0.2] * 4),
        voxels(tmp_path, fit("b", 0.3, subject="2"), *[0.3] * 4),
    ]
    before = table(board_files(records, tmp_path, MetricRequest(COMPUTED, "rssd"))[Path("data.csv")])
    assert before.loc["a", "RSSD"] == pytest.approx((sqrt(0.08) + 0.1) / 2, rel=1e-5)
    assert before.loc["a", "cells"] == "2/2"
    assert "R2" not in before
    records += [voxels(tmp_path, fit("c", 1, subject=s), 1, 1, 1, 1) for s in "12"]
    after = table(board_files(records, tmp_path, MetricRequest(COMPUTED, "rssd"))[Path("data.csv")])
    assert after.loc["c", "RSSD"] == 0
    assert after.loc["a", "RSSD"] == pytest.approx((sqrt((0.25 + 0.49 + 0.81 + 0.64) / 4) + 0.8) / 2, rel=1e-5)


def test_records_without_arrays_are_not_applicable_and_damage_is_noticed(tmp_path: Path) -> None:
    records = [*two(tmp_path), fit("c", 0.9)]
    page = board_files(records, tmp_path, MetricRequest(COMPUTED, "rssd"))[Path("data.md")]
    assert next(line for line in page.splitlines() if "| c " in line).count("n/a") == 2
    assert "voxel-wise R2 was not kept (--keep scores), or is damaged (c)" in page


def test_the_same_records_in_any_order_give_the_same_bytes(tmp_path: Path) -> None:
    records = [
        voxels(tmp_path, fit(b, 0.1, seed=s), *np.random.default_rng(s).random(4)) for b in "abc" for s in (0, 1)
    ]
    first = board_files(records, tmp_path, MetricRequest(COMPUTED))
    for seed in range(3):
        random.Random(seed).shuffle(records)
        assert board_files(records, tmp_path, MetricRequest(COMPUTED)) == first


def test_cost_has_a_table_of_its_own_and_no_place_on_the_board(tmp_path: Path) -> None:
    records = [voxels(tmp_path, fit("a", 0.2, seed=s), 0, 0, 0, 0) for s in (0, 1)] + [failed("c"), tokens("a")]
    records += [fit("pixels", 0.1, seed=s, control=True) for s in (0, 1)]
    files = board_files(records, tmp_path, MetricRequest(COMPUTED, "r2,cost"))
    assert set(files) == BOARD | {Path("data.cost.md"), Path("data.cost.csv")}
    assert files[Path("data.md")] == board_files(records, tmp_path, MetricRequest(COMPUTED, "r2"))[Path("data.md")]
    assert "seconds" not in files[Path("data.md")] + files[Path("data.csv")]
    found = table(files[Path("data.cost.csv")])
    figures = ["seconds", "seconds sd", "peak memory (MB)", "fitted parameters (M)", "backbone parameters (M)"]
    assert found.loc["a", figures].tolist() == pytest.approx([2.0, sqrt(0.5), 700, 5e-6, 2], rel=1e-5)
    assert found["cells"].to_dict() == {"a": "2/2", "c": "0/2", "pixels": "2/2"}
    assert np.isnan(found.loc["c", "seconds"])
    assert "rank" not in found
    assert files[Path("data.cost.md")].startswith("# cost: data\n\nSeconds, peak memory and number of parameters")
    assert "| 2.00 ± 0.71 |" in files[Path("data.cost.md")]
    assert "noise ceiling" in files[Path("data.md")]
    assert "noise ceiling" not in files[Path("data.cost.md")]


def test_cost_alone_leaves_the_board_alone(tmp_path: Path) -> None:
    unread = replace(failed("c"), encoder=None)
    files = board_files([*two(tmp_path), tokens("a"), unread], tmp_path, MetricRequest(COMPUTED, "cost"))
    assert set(files) == {Path("data.cost.md"), Path("data.cost.csv")}


def test_a_metric_of_fits_has_nothing_to_say_of_networks_alone(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--metrics cost: these records are of networks alone"):
        board_files([tokens("a")], tmp_path, MetricRequest(COMPUTED, "cost"))
