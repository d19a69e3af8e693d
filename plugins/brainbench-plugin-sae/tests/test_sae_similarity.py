"""Similarities in blocks, and assignments, against numpy and scipy on the whole matrix."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from brainbench_sae.assignment import one_to_one
from brainbench_sae.similarity import BestUnits, blocks, standardised
from scipy.optimize import linear_sum_assignment

from brainbench import DataError

N, M, V = 30, 23, 9


def columns(count: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(5, 2, (N, count)).astype(np.float32)


def test_correlations_are_those_over_trials_of_the_mean_of_an_image() -> None:
    series, responses = columns(M, 0), columns(V, 1)
    trials = np.random.default_rng(2).integers(1, 4, N)
    found = standardised(series, trials.astype(float))[0].T @ standardised(responses, trials.astype(float))[0]
    rows = np.repeat(np.arange(N), trials)
    expected = np.corrcoef(series[rows].T, responses[rows].T)[:M, M:]
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_a_column_that_does_not_vary_is_zero_and_has_norm_zero() -> None:
    series = columns(3, 0)
    series[:, 1] = 0.1
    standard, mean, norm = standardised(series, np.ones(N))
    assert (standard[:, 1] == 0).all()
    assert norm[1] == 0
    assert mean[1] == pytest.approx(0.1)
    assert (norm[[0, 2]] > 0).all()


@pytest.mark.parametrize("count", [1, 4])
def test_the_best_units_of_blocks_are_the_best_of_all(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("brainbench_sae.similarity._FIGURES", 5 * V)
    series, responses = standardised(columns(M, 0), np.ones(N))[0], standardised(columns(V, 1), np.ones(N))[0]
    best = BestUnits(V, count)
    seen = 0
    for first in (0, M):  # two layers, the second one the first with its sign turned
        for units, correlations in blocks(series if first == 0 else -series, responses):
            best.offer(correlations, first + units.start)
            seen += 1
    assert seen == 10
    whole = torch.cat([series.T @ responses, -series.T @ responses]).numpy()
    order = np.argsort(-whole, axis=0)[:count]
    np.testing.assert_array_equal(best.units, order)
    np.testing.assert_allclose(best.values, np.take_along_axis(whole, order, axis=0), atol=1e-6)


def test_one_to_one_is_the_best_assignment_among_all_candidates() -> None:
    whole = np.random.default_rng(0).normal(size=(M, V)).astype(np.float32)
    whole[3] += 5  # all voxels want this one
    order = np.argsort(-whole, axis=0)
    values = np.take_along_axis(whole, order, axis=0)
    pick = one_to_one(values, order)
    chosen = order[pick, np.arange(V)]
    assert len(set(chosen.tolist())) == V
    rows, best = linear_sum_assignment(-whole)
    assert values[pick, np.arange(V)].sum() == pytest.approx(whole[rows, best].sum())


def test_too_few_candidates_are_told() -> None:
    values, units = np.ones((2, 3), np.float32), np.array([[0, 0, 0], [1, 1, 1]])
    with pytest.raises(DataError, match="3 voxels have 2 different units among their 2 best, too few for one each"):
        one_to_one(values, units)
    units = np.array([[0, 0, 2], [0, 0, 3]])  # two voxels with one unit between them
    with pytest.raises(
        DataError, match="cannot be shared out so that each has one of its own: set sae.candidates higher"
    ):
        one_to_one(values, units)
