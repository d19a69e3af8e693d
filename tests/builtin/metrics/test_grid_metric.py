from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score

from brainbench import MetricInputs, Responses, Score, Selectors
from brainbench.builtin.metrics.cards import GRID
from brainbench.builtin.metrics.grid import PENALTIES, Ridges, layer_r2

MakeFeatures = Callable[..., Any]
SPLIT = np.repeat(["train", "val", "test"], [60, 20, 20])


def score(features: Any, responses: Responses, layer: np.ndarray | None) -> Score:
    names = tuple(features.layers)
    metric: Any = GRID.loader(settings={})
    found: Score = metric.score(
        MetricInputs(features=features, responses=responses, selectors=Selectors(names, layer=layer))
    )
    return found


@pytest.fixture
def case(memory_features: MakeFeatures) -> tuple[Any, Responses]:
    """Voxels 0-2 (V1) are made of the first of three layers, 3-5 (EBA) of the last."""
    rng = np.random.default_rng(0)
    tokens = [rng.normal(size=(100, 6, 1, 1)) for _ in range(3)]
    made = [tokens[layer][:, :, 0, 0] @ rng.normal(size=(6, 3)) for layer in (0, 2)]
    values = (np.concatenate(made, axis=1) + rng.normal(0, 0.5, (100, 6)) + 7).astype(np.float32)
    rois = {"V1": np.arange(6) < 3, "EBA": np.arange(6) >= 3, "none": np.zeros(6, dtype=bool)}
    return memory_features(tokens), Responses("1", values, np.arange(100), SPLIT, "key", rois=rois)


def test_ridges_are_sklearns() -> None:
    rng = np.random.default_rng(0)
    tokens, targets = rng.normal(size=(30, 8)), rng.normal(size=(30, 4))
    unit = np.square(tokens).sum() / 8
    for penalty, found in zip(PENALTIES, Ridges(tokens).coefficients(targets), strict=True):
        expected = Ridge(alpha=penalty * unit, fit_intercept=False).fit(tokens, targets)
        np.testing.assert_allclose(found, expected.coef_.T, atol=1e-10)


@pytest.mark.parametrize("most", [2048, 4])
def test_a_layer_alone_is_the_ridge_that_val_likes_best(
    case: tuple[Any, Responses], most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("brainbench.builtin.metrics.voxel_blocks.MOST", most)
    features, responses = case
    train, val, test = (name == SPLIT for name in ("train", "val", "test"))
    for layer in range(3):
        x = features.global_tokens(layer, np.arange(100)).astype(float)
        y = responses.values.astype(float)
        unit = np.square(x[train] - x[train].mean(0)).sum() / x.shape[1]
        fits = [Ridge(alpha=p * unit).fit(x[train], y[train]) for p in PENALTIES]
        errors = [(np.square(y[val] - f.predict(x[val])) / y[train].var(axis=0)).mean() for f in fits]
        best = fits[int(np.argmin(errors))]
        expected = r2_score(y[test], best.predict(x[test]), multioutput="raw_values")
        np.testing.assert_allclose(layer_r2(features, layer, responses), expected, atol=1e-6)


def test_selectors_that_follow_the_grid_match_it(case: tuple[Any, Responses]) -> None:
    features, responses = case
    right = np.repeat([[0.9, 0.05, 0.05], [0.05, 0.05, 0.9]], 3, axis=0)
    found = score(features, responses, right)
    names = features.layers
    assert found.values[f"V1 r2 {names[0]}"] > 0.8
    assert abs(found.values[f"V1 r2 {names[1]}"]) < 0.3
    assert found.values[f"EBA r2 {names[2]}"] > 0.8
    assert found.values[f"V1 weight {names[0]}"] == pytest.approx(0.9)
    assert found.values[f"all weight {names[0]}"] == pytest.approx(0.475)
    assert found.values["match"] > 0.95
    assert score(features, responses, right[::-1]).values["match"] < 0.2
    assert not any(name.startswith("none") for name in found.values)


def test_it_does_not_apply_without_a_choice_of_layers(
    case: tuple[Any, Responses], memory_features: MakeFeatures
) -> None:
    features, responses = case
    assert score(features, responses, None).not_applicable == "the encoder has no layer selector"
    assert (
        score(features, responses, np.full((6, 3), 1 / 3)).not_applicable
        == "all layers predict equally well, or have equal weights"
    )
    single = memory_features([np.random.default_rng(0).normal(size=(100, 6, 1, 1))])
    assert score(single, responses, np.ones((6, 1))).not_applicable == "with a single layer there is no grid"


def test_a_voxel_that_does_not_vary_over_the_test_split_is_left_out(case: tuple[Any, Responses]) -> None:
    features, responses = case
    responses.values[SPLIT == "test", 0] = 7
    weights = np.repeat([[0.9, 0.05, 0.05]], 6, axis=0)
    assert all(np.isfinite(value) for value in score(features, responses, weights).values.values())
