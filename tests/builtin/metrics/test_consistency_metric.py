from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from typing import Any

import numpy as np
import pytest
from scipy.stats import pearsonr

from brainbench import Cell, Score
from brainbench.builtin.metrics.cards import CONSISTENCY


def selector(seed: int, voxels: int = 3000, layers: int = 6) -> np.ndarray:
    return np.random.default_rng(seed).dirichlet(np.ones(layers), voxels).astype(np.float32)


def cell(layer: np.ndarray | None, seed: int = 0, row: str = "a", subject: str = "1") -> Cell:
    arrays = {"predictions": np.zeros((2, 3))} | ({} if layer is None else {"selectors.layer": layer})
    return Cell(row, row, "fit", False, subject, seed, arrays=arrays)


def scores(*cells: Cell) -> list[Score]:
    metric: Any = CONSISTENCY.loader(settings={})
    found: list[Score] = metric.score(cells)
    return found


def test_identical_seeds_agree_wholly_and_shuffled_voxels_do_not() -> None:
    layer = selector(0)
    for score in scores(cell(layer), cell(layer, 1), cell(layer.copy(), 2)):
        assert score.values == pytest.approx({"r": 1.0, "agreement": 1.0})
    shuffled = np.random.default_rng(1).permutation(layer)
    for score in scores(cell(layer), cell(shuffled, 1)):
        assert score.values["r"] == pytest.approx(0, abs=0.06)
        assert score.values["agreement"] == pytest.approx(1 / 6, abs=0.04)


def test_three_seeds_agree_with_scipy_pair_by_pair() -> None:
    base = selector(3, 50)
    maps = [(base + selector(seed, 50)) / 2 for seed in (4, 5, 6)]
    places = [m.astype(np.float64) @ np.arange(6) / 5 for m in maps]
    found = scores(*(cell(m, seed) for seed, m in enumerate(maps)))
    for own, score in enumerate(found):
        pairs = [(i, j) for i, j in permutations(range(3), 2) if i == own]
        assert score.values["r"] == pytest.approx(np.mean([pearsonr(places[i], places[j])[0] for i, j in pairs]))
        assert score.values["agreement"] == pytest.approx(
            np.mean([np.mean([maps[i][v].argmax() == maps[j][v].argmax() for v in range(50)]) for i, j in pairs])
        )


def test_only_seeds_of_one_row_and_subject_are_compared() -> None:
    layer, other = selector(0), selector(1)
    cells = [cell(layer), cell(other, row="b"), cell(other, subject="2"), cell(layer, 1), cell(other, 1, row="b")]
    found = scores(*cells)
    assert [s.values.get("agreement") for s in found] == [1.0, 1.0, None, 1.0, 1.0]
    assert found[2].not_applicable == "there is a single seed"


@pytest.mark.parametrize(
    ("one", "reason"),
    [
        (cell(None), "the encoder has no layer selector"),
        (replace(cell(None), arrays={}), "selectors were not kept (--keep scores), or are damaged"),
        (cell(np.ones((4, 1))), "with a single layer there is no choice"),
    ],
)
def test_where_there_is_nothing_to_compare_none_is_said(one: Cell, reason: str) -> None:
    assert [s.not_applicable for s in scores(one, replace(one, seed=1))] == [reason] * 2


def test_a_seed_without_a_map_leaves_the_others_theirs() -> None:
    layer = selector(0)
    found = scores(cell(layer), replace(cell(None, 1), arrays={}), cell(layer, 2))
    assert [s.values.get("r") for s in found] == pytest.approx([1.0, None, 1.0])


def test_a_flat_map_has_no_r() -> None:
    flat = np.full((100, 3), 1 / 3, np.float32)
    first, _ = scores(cell(flat), cell(selector(0, 100, 3), 1))
    assert set(first.values) == {"agreement"}
    assert first.notes == ("a layer map gives all voxels the same place: it has no r",)
