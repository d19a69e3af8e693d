from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import LinearRegression
from sklearn.metrics import r2_score
from torch import Tensor

from brainbench.fitting import layer_likeness

IMAGES, PLACES = 60, 9


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def aligned(tokens: list[Tensor], dim: int = 2) -> Tensor:
    return torch.stack([t @ draw(t.shape[2], dim, seed=9 + i) for i, t in enumerate(tokens)])


def test_copies_up_to_a_linear_map_are_entirely_alike_and_strangers_not_at_all() -> None:
    first, other = draw(IMAGES, PLACES, 6), draw(IMAGES, PLACES, 6, seed=1)
    tokens = [first, first @ draw(6, 6, seed=2), other]
    _, likeness = layer_likeness(tokens, aligned(tokens), draw(30, 2, seed=5))
    np.testing.assert_allclose(np.diagonal(likeness), 1)
    assert min(likeness[0, 1], likeness[1, 0]) > 0.999
    assert max(likeness[0, 2], likeness[2, 0], likeness[1, 2], likeness[2, 1]) < 0.05


def test_likeness_is_what_sklearn_predicts_on_the_other_half() -> None:
    first = draw(IMAGES, PLACES, 6)
    tokens = [first, 0.8 * first + 0.6 * draw(IMAGES, PLACES, 6, seed=1)]
    both = aligned(tokens)
    _, likeness = layer_likeness(tokens, both, torch.eye(2, dtype=torch.float64))
    x, y = (t - t.mean(0) for t in (tokens[1], both[0]))
    residual = 0.0
    for fit, test in ((slice(0, 30), slice(30, 60)), (slice(30, 60), slice(0, 30))):
        model = LinearRegression(fit_intercept=False).fit(x[fit].reshape(-1, 6), y[fit].reshape(-1, 2))
        residual += np.square(y[test].reshape(-1, 2).numpy() - model.predict(x[test].reshape(-1, 6))).sum()
    assert likeness[0, 1] == pytest.approx(1 - residual / y.square().sum().item(), abs=1e-3)
    assert r2_score(y.reshape(-1, 2), x.reshape(-1, 6) @ np.linalg.lstsq(x.reshape(-1, 6), y.reshape(-1, 2))[0]) == (
        pytest.approx(likeness[0, 1], abs=0.02)
    )


def test_directions_that_no_voxel_reads_do_not_count() -> None:
    first, other = draw(IMAGES, PLACES, 2), draw(IMAGES, PLACES, 2, seed=1)
    tokens = [first, torch.stack([first[..., 0], other[..., 1]], dim=2)]
    read_first = torch.tensor([[1.0, 0.0]], dtype=torch.float64)
    correlation, likeness = layer_likeness(tokens, torch.stack(tokens), read_first)
    assert likeness[0, 1] > 0.999
    assert correlation[0, 1] == pytest.approx(1)
    correlation, likeness = layer_likeness(tokens, torch.stack(tokens), read_first.flip(1))
    assert likeness[0, 1] < 0.05
    assert abs(correlation[0, 1]) < 0.15


def test_what_all_images_share_does_not_count() -> None:
    tokens = [draw(IMAGES, PLACES, 3), draw(IMAGES, PLACES, 3, seed=1)]
    shared = 100 * draw(1, PLACES, 3, seed=2)
    plain = layer_likeness(tokens, torch.stack(tokens), torch.eye(3, dtype=torch.float64))
    moved = [t + shared for t in tokens]
    for one, other in zip(
        plain, layer_likeness(moved, torch.stack(moved), torch.eye(3, dtype=torch.float64)), strict=True
    ):
        np.testing.assert_allclose(one, other, atol=1e-6)
