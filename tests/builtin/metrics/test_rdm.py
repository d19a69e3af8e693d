from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import pdist
from scipy.stats import kendalltau, pearsonr, rankdata, spearmanr

from brainbench.builtin.metrics.rdm import agreement, correlation_distances, noise_ceiling, upper_triangle

ORACLES = {"spearman": spearmanr, "pearson": pearsonr, "kendall": kendalltau}


def subjects(count: int, noise: float, pairs: int = 190) -> np.ndarray:
    """[K, P]: a common signal and each subject's own noise, in units of its own."""
    rng = np.random.default_rng(0)
    units = np.geomspace(1, 100, count)[:, None]
    return units * (rng.normal(size=pairs) + noise * rng.normal(size=(count, pairs)))


def test_distances_agree_with_scipy() -> None:
    patterns = np.random.default_rng(0).normal(3, 1, (12, 30)).astype(np.float16)
    found = correlation_distances(patterns)
    assert found is not None
    np.testing.assert_allclose(found, pdist(patterns.astype(np.float64), "correlation"), atol=1e-12)


def test_one_large_channel_does_not_drown_the_others() -> None:
    patterns = np.random.default_rng(0).normal(size=(40, 300)).astype(np.float32)
    patterns[:, 7] = 3000
    found = correlation_distances(patterns)
    assert found is not None
    assert found.max() < 1e-4
    np.testing.assert_array_equal(rankdata(found), rankdata(pdist(patterns.astype(np.float64), "correlation")))


def test_a_flat_pattern_has_no_distances() -> None:
    patterns = np.random.default_rng(0).normal(size=(5, 8))
    patterns[3] = 0.1
    assert correlation_distances(patterns) is None
    assert correlation_distances(patterns[:, :1]) is None


def test_the_upper_triangle_is_in_scipys_order() -> None:
    assert upper_triangle(np.arange(16).reshape(4, 4)).tolist() == [1, 2, 3, 6, 7, 11]


@pytest.mark.parametrize("compare", ORACLES)
def test_agreement_is_scipys_with_ties(compare: str) -> None:
    one, other = np.random.default_rng(0).integers(0, 9, (2, 50)).astype(float)
    assert agreement(one, other + one, compare) == pytest.approx(ORACLES[compare](one, other + one).statistic)


@pytest.mark.parametrize("compare", ORACLES)
def test_the_bounds_are_those_of_nili(compare: str) -> None:
    rdms = subjects(4, 1.0)
    scaled = [(r - r.mean()) / r.std() if compare == "pearson" else rankdata(r) for r in rdms]
    for own in range(4):
        others = [i for i in range(4) if i != own]
        lower, upper = noise_ceiling(rdms[own], rdms[others], compare)
        assert lower == pytest.approx(ORACLES[compare](rdms[own], sum(scaled[i] for i in others)).statistic)
        assert upper == pytest.approx(ORACLES[compare](rdms[own], sum(scaled)).statistic)
        assert lower < upper


def test_no_set_of_dissimilarities_agrees_with_all_better_than_the_upper_bound() -> None:
    rdms = subjects(4, 1.0)
    bound = np.mean([noise_ceiling(rdms[i], np.delete(rdms, i, 0), "pearson")[1] for i in range(4)])
    rng = np.random.default_rng(1)
    tried = [sum(w * r / r.std() for w, r in zip(rng.dirichlet(np.ones(4)), rdms, strict=True)) for _ in range(200)]
    assert max(np.mean([agreement(r, model, "pearson") for r in rdms]) for model in tried) <= bound + 1e-9


def test_subjects_who_agree_have_no_noise() -> None:
    own, *others = subjects(3, 0.0)
    assert noise_ceiling(own, others, "spearman") == pytest.approx((1, 1))
