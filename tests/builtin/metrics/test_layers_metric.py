from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from brainbench import MetricInputs, Score
from brainbench.builtin.metrics.cards import LAYERS
from brainbench.builtin.metrics.layers import dependence

MakeFeatures = Callable[..., Any]


def score(features: Any) -> Score:
    metric: Any = LAYERS.loader(settings={})
    result: Score = metric.score(MetricInputs(features=features))
    return result


def draw(images: int = 60, channels: int = 10, side: int = 4, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(images, channels, side, side))


def unbiased_hsic(x: np.ndarray, y: np.ndarray) -> float:
    """The textbook form, with both Gram matrices in full."""
    n = len(x)
    k, m = x @ x.T, y @ y.T
    np.fill_diagonal(k, 0)
    np.fill_diagonal(m, 0)
    return float(np.trace(k @ m) + k.sum() * m.sum() / ((n - 1) * (n - 2)) - 2 / (n - 2) * (k.sum(0) @ m.sum(0)))


def test_dependence_is_the_unbiased_hsic() -> None:
    x, y = np.random.default_rng(0).normal(size=(2, 30, 8))
    y = y[:, :5] + x[:, :5]
    x, y = x - x.mean(0), y - y.mean(0)
    assert dependence(torch.tensor(x), torch.tensor(y)) == pytest.approx(unbiased_hsic(x, y))


def test_the_same_layer_rotated_and_scaled_is_alike(memory_features: MakeFeatures) -> None:
    first = draw()
    rotation, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(10, 10)))
    places = np.random.default_rng(2).normal(size=(1, 10, 4, 4)) * 50
    white = (first - first.mean(0)) / (first - first.mean(0)).std((0, 2, 3), keepdims=True)
    result = score(memory_features([white, np.einsum("oc,nchw->nohw", rotation, white) * 9 + places]))
    assert result.values["1-2_cka"] == pytest.approx(1, abs=0.02)
    assert abs(result.values["1-2"]) < 0.3


def test_independent_layers_are_unlike_even_when_wide_and_few(memory_features: MakeFeatures) -> None:
    result = score(memory_features([draw(20, 400, seed=1), draw(20, 300, seed=2)]))
    # The plain figure would be about C / (C + n) = 0.5; centring at every place leaves 1 / images.
    assert result.values["neighbours_cka"] == pytest.approx(0, abs=0.06)
    assert result.notes == ()


def test_figures_of_a_chain(memory_features: MakeFeatures) -> None:
    chain = [draw(200)]
    for seed in (1, 2):
        chain.append(0.7 * chain[-1] + np.sqrt(1 - 0.49) * draw(200, seed=seed))
    values = score(memory_features(chain)).values
    names = ["neighbours", "first_last", "1-2", "2-3"]
    assert list(values) == names + [f"{name}_cka" for name in names]
    for suffix in ("", "_cka"):
        assert values[f"neighbours{suffix}"] == pytest.approx((values[f"1-2{suffix}"] + values[f"2-3{suffix}"]) / 2)
    centred = [layer - layer.mean(0) for layer in chain]
    assert values["1-2"] == pytest.approx(np.corrcoef(centred[0].ravel(), centred[1].ravel())[0, 1], rel=1e-4)
    assert values["first_last"] == pytest.approx(0.49, abs=0.02)
    # Of two Gram matrices of equal size, cov = rho^2 of the variance: rho^2 / sqrt(rho^4 + (1 - rho^2)^2) up to the spectrum.
    assert 0.4 < values["1-2_cka"] < 0.8
    assert values["first_last_cka"] < values["neighbours_cka"] - 0.1


def test_nearly_equal_layers_are_warned_of(memory_features: MakeFeatures) -> None:
    first = draw()
    result = score(memory_features([first, first + 0.05 * draw(seed=1)]))
    assert "nearly the same (CKA 0.95 or more)" in result.notes[0]


def test_unequal_grids_and_widths(memory_features: MakeFeatures) -> None:
    result = score(memory_features([draw(side=8), draw(channels=3, side=2), draw(side=1)]))
    assert all(np.isfinite(v) for v in result.values.values())
    assert "neighbours" not in result.values
    assert "neighbours_cka" in result.values


def test_at_most_500_images_are_read(memory_features: MakeFeatures) -> None:
    features = memory_features([draw(1201, 2, 1), draw(1201, 2, 1)])
    score(features)
    assert features.rows_read == set(range(0, 1201, 3))


def test_no_figure(memory_features: MakeFeatures) -> None:
    assert score(memory_features([draw()])).not_applicable == "a single layer has no neighbours"
    constant = memory_features([draw(), np.ones((60, 4, 4, 4))])
    assert score(constant).not_applicable == "layer 'block1' does not vary over the images"
