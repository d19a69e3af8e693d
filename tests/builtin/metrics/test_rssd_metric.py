from __future__ import annotations

from dataclasses import replace
from math import sqrt
from typing import Any

import numpy as np
import pytest

from brainbench import Cell, Score
from brainbench.builtin.metrics.cards import RSSD

V1 = np.array([True, True, False, False])
EBA = ~V1


def cell(row: str, r2: list[float] | None, *, subject: str = "1", seed: int = 0, control: bool = False) -> Cell:
    arrays = {} if r2 is None else {"per_voxel.r2": np.array(r2, np.float32), "roi.V1": V1, "roi.EBA": EBA}
    return Cell(row, row, "fit", control, subject, seed, {"r2": "1"}, {}, ("V1", "EBA"), arrays)


def scores(*cells: Cell) -> list[Score]:
    metric: Any = RSSD.loader(settings={})
    found: list[Score] = metric.score(cells)
    return found


A = cell("a", [0.5, 0.3, 0.1, 0.2])
B = cell("b", [0.2, 0.7, 0.1, 0.6])


def test_two_models_two_rois_by_hand() -> None:
    # max: .5 .7 .1 .6; a lacks 0 .4 0 .4, b lacks .3 0 0 0.
    a, b = scores(A, B)
    assert a.values == pytest.approx({"all": sqrt(0.32 / 4), "V1": sqrt(0.16 / 2), "EBA": sqrt(0.16 / 2)}, rel=1e-6)
    assert b.values == pytest.approx({"all": sqrt(0.09 / 4), "V1": sqrt(0.09 / 2), "EBA": 0.0}, rel=1e-6)


def test_agrees_with_a_loop_over_voxels() -> None:
    rng = np.random.default_rng(0)
    r2 = rng.normal(0.1, 0.2, (5, 40)).astype(np.float32)
    masks = {"V1": rng.random(40) < 0.3, "EBA": rng.random(40) < 0.5}
    arrays = [{"per_voxel.r2": row, **{f"roi.{n}": m for n, m in masks.items()}} for row in r2]
    found = scores(*(replace(A, row=str(i), arrays=one) for i, one in enumerate(arrays)))
    for own, score in zip(r2, found, strict=True):
        for name, mask in {"all": np.ones(40, bool), **masks}.items():
            total = sum((float(max(r2[:, v])) - float(own[v])) ** 2 for v in range(40) if mask[v])
            assert score.values[name] == pytest.approx(sqrt(total / mask.sum()), rel=1e-9)


def test_a_row_that_joins_raises_the_max_for_the_others() -> None:
    best = cell("c", [0.6, 0.7, 0.3, 0.6])
    a, b, c = scores(A, B, best)
    assert c.values == {"all": 0.0, "V1": 0.0, "EBA": 0.0}
    # a now lacks .1 .4 .2 .4
    assert a.values["all"] == pytest.approx(sqrt((0.01 + 0.16 + 0.04 + 0.16) / 4), rel=1e-6)
    assert b.values["all"] > scores(A, B)[1].values["all"]
    # One that is nowhere the best changes nobody.
    assert [s.values for s in scores(A, B, cell("d", [0, 0, 0, 0]))[:2]] == [s.values for s in scores(A, B)]


def test_a_control_is_not_in_the_max_and_lacks_nothing_above_it() -> None:
    control = cell("pixels", [0.9, 0.6, 0.0, 0.9], control=True)
    a, b, pixels = scores(A, B, control)
    assert [a.values, b.values] == [s.values for s in scores(A, B)]
    assert pixels.values == pytest.approx(
        {"all": sqrt(0.02 / 4), "V1": sqrt(0.01 / 2), "EBA": sqrt(0.01 / 2)}, rel=1e-5
    )
    assert a.notes == (
        "the 'max' model is the highest R2 of 2 rows, for every voxel, subject and seed; controls are not in it",
    )


def test_every_subject_and_seed_has_a_max_of_its_own() -> None:
    other = [cell("a", [0.0] * 4, subject="2"), cell("b", [0.5] * 4, subject="2")]
    a, b, a2, b2 = scores(A, B, *other)
    assert [a.values, b.values] == [s.values for s in scores(A, B)]
    assert (a2.values["all"], b2.values["all"]) == (0.5, 0.0)
    again = scores(A, B, replace(A, seed=1), replace(B, seed=1, arrays=A.arrays))
    assert [s.values["all"] for s in again[2:]] == [0.0, 0.0]
    assert again[0].values == a.values


def test_an_incomplete_row_moves_nobody_and_is_named() -> None:
    whole = [replace(c, subject=s) for s in "12" for c in (A, B)]
    missing = cell("c", [1.0] * 4)
    found = scores(*whole, missing)
    assert [s.values for s in found[:4]] == [s.values for s in scores(*whole)]
    assert found[0].notes[1].endswith("for want of voxel-wise R2 of every subject and seed: c")
    without = scores(A, B, cell("c", None))
    assert without[0].notes == found[0].notes
    assert without[2].not_applicable == "voxel-wise R2 was not kept (--keep scores), or is damaged"


def test_a_voxel_without_r2_is_left_out() -> None:
    nan = float("nan")
    a, b = scores(cell("a", [0.5, nan, nan, nan]), cell("b", [0.2, nan, nan, nan]))
    assert a.values == {"all": 0.0, "V1": 0.0}
    assert b.values == pytest.approx({"all": 0.3, "V1": 0.3})
    alone = scores(cell("a", [nan] * 4), cell("b", [nan] * 4))
    assert {s.not_applicable for s in alone} == {"no voxel has an R2"}


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ([A, replace(B, versions={"r2": "2"})], "R2 of several versions (1, 2): run the older jobs again"),
        ([A, cell("b", [0.1] * 4 + [0.2])], "rows differ in their voxels of subject 1"),
        ([replace(A, control=True)], "no network has voxel-wise R2 for every subject and seed"),
    ],
)
def test_what_cannot_be_compared_is_not_applicable(cells: list[Cell], reason: str) -> None:
    assert [s.not_applicable for s in scores(*cells)] == [reason] * len(cells)
    assert not any(s.values for s in scores(*cells))


def test_an_roi_whose_mask_was_not_kept_has_no_figure() -> None:
    bare = replace(A, arrays={"per_voxel.r2": A.arrays["per_voxel.r2"]})
    assert set(scores(bare)[0].values) == {"all"}


def test_no_cells_no_scores() -> None:
    assert scores() == []
