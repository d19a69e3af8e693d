from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.spatial.distance import pdist, squareform
from scipy.stats import spearmanr

from brainbench import MetricInputs, Score
from brainbench.builtin.metrics.cards import RSA
from brainbench.builtin.metrics.rsa import draw

MakeFeatures = Callable[..., Any]
OPTIMISTIC = "the best layer is chosen on the same images that it is shown for: optimistic"


def score(features: Any, measured: np.ndarray, *others: np.ndarray, seed: int = 0, **settings: Any) -> Score:
    metric: Any = RSA.loader(settings=RSA.resolve_settings(settings))
    result: Score = metric.score(
        MetricInputs(features=features, dissimilarities=measured, other_dissimilarities=others, seed=seed)
    )
    return result


def tokens(images: int = 20, seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(images, channels, 4, 4)) for channels in (5, 9)]


def distances(layer: np.ndarray) -> np.ndarray:
    return np.asarray(squareform(pdist(layer.reshape(len(layer), -1), "correlation"), checks=False))


def noise(images: int = 20, seed: int = 3) -> np.ndarray:
    matrix = np.random.default_rng(seed).uniform(size=(images, images))
    return matrix + matrix.T


def test_figures_of_every_layer_agree_with_scipy(memory_features: MakeFeatures) -> None:
    local, measured = tokens(), noise()
    upper = np.triu_indices(20, 1)
    oracle = [spearmanr(distances(layer)[upper], measured[upper]).statistic for layer in local]
    result = score(memory_features(local), measured)
    assert result.values == pytest.approx(
        {"best": max(oracle), "mean": np.mean(oracle), "block0": oracle[0], "block1": oracle[1]}
    )
    assert result.notes == (OPTIMISTIC,)
    assert result.per_voxel is None


def test_a_perfect_layer_has_rho_one_and_noise_about_none(memory_features: MakeFeatures) -> None:
    local = tokens(60)
    result = score(memory_features(local), np.exp(distances(local[1])))
    assert result.values["block1"] == result.values["best"] == pytest.approx(1)
    assert abs(result.values["block0"]) < 0.1
    assert abs(score(memory_features(local), noise(60)).values["best"]) < 0.1


def test_global_tokens_and_another_comparison(memory_features: MakeFeatures) -> None:
    local = tokens()
    features = memory_features(local)
    measured = distances(local[0].mean(axis=(2, 3)))
    assert score(features, measured, tokens="global").values["block0"] == pytest.approx(1)
    assert score(features, measured).values["block0"] < 0.9
    assert score(features, measured**3, tokens="global", compare="pearson").values["block0"] < 0.99
    assert score(features, measured**3, tokens="global", compare="kendall").values["block0"] == pytest.approx(1)


def test_the_ceiling_needs_other_subjects(memory_features: MakeFeatures) -> None:
    local = tokens()
    common = distances(local[0])
    own, *others = (common + 0.3 * noise(seed=seed) for seed in (1, 2, 3))
    values = score(memory_features(local), own, *others).values
    assert list(values) == ["best", "mean", "ceiling_lower", "ceiling_upper", "block0", "block1"]
    assert 0 < values["ceiling_lower"] < values["ceiling_upper"] < 1
    assert "ceiling_lower" not in score(memory_features(local), own).values
    assert "ceiling_lower" not in score(memory_features(local), own, np.ones((20, 20))).values


def test_a_subsample_is_drawn_kept_in_order_and_noted(memory_features: MakeFeatures) -> None:
    local, measured = tokens(30), noise(30)
    features = memory_features(local)
    result = score(features, measured, measured, images=10, seed=4)
    rows = draw(30, 10, 4)
    assert features.rows_read == set(rows.tolist())
    assert rows.tolist() == sorted(set(rows.tolist()))
    assert rows.tolist() != draw(30, 10, 5).tolist()
    whole = score(
        memory_features([layer[rows] for layer in local]), measured[np.ix_(rows, rows)], measured[np.ix_(rows, rows)]
    )
    assert result.values == whole.values
    assert result.notes == (OPTIMISTIC, "on 10 of 30 images, drawn with seed 4; rsa.images takes more")


def test_a_layer_with_flat_tokens_is_left_out_and_named(memory_features: MakeFeatures) -> None:
    local, measured = tokens(), noise()
    local[0][6] = 1.0
    result = score(memory_features(local), measured)
    assert result.values["best"] == result.values["mean"] == result.values["block1"]
    assert result.notes == (
        "left out, since an image has flat local tokens there or all are equally far apart: block0",
    )


def test_no_figure(memory_features: MakeFeatures) -> None:
    local = tokens()
    still = np.ones((20, 20)) - np.eye(20)
    assert (
        score(memory_features(local), still).not_applicable == "the measured dissimilarities of 20 images do not vary"
    )
    flat = memory_features([np.ones_like(layer) for layer in local])
    assert score(flat, noise()).not_applicable == "no layer has dissimilarities that vary"
    for few in (1, 2):
        features = memory_features([layer[:few] for layer in local])
        reason = f"the measured dissimilarities of {few} images do not vary"
        assert score(features, noise(few)).not_applicable == reason
