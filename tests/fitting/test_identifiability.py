from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import LinearRegression
from torch import Tensor

from brainbench.fitting import images_needed, layer_likeness

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


def test_likeness_is_between_what_sklearn_predicts_on_both_halves() -> None:
    first = draw(IMAGES, PLACES, 6)
    tokens = [first, 0.8 * first + 0.6 * draw(IMAGES, PLACES, 6, seed=1)]
    both = aligned(tokens)
    _, likeness = layer_likeness(tokens, both, torch.eye(2, dtype=torch.float64))
    x, y = (t - t.mean(0) for t in (tokens[1], both[0]))
    errors = []
    for fit, test in ((slice(0, 30), slice(30, 60)), (slice(30, 60), slice(0, 30))):
        model = LinearRegression(fit_intercept=False).fit(x[fit].reshape(-1, 6), y[fit].reshape(-1, 2))
        for half in (fit, test):
            residual = y[half].reshape(-1, 2).numpy() - model.predict(x[half].reshape(-1, 6))
            errors.append(np.square(residual).sum() / y.square().sum().item())
    expected = 1 - np.sqrt((errors[0] + errors[2]) * (errors[1] + errors[3]))
    assert likeness[0, 1] == pytest.approx(expected, abs=1e-3)


def smooth(images: int, channels: int, rng: np.random.Generator) -> np.ndarray:
    """[n, 64, C] of noise that is smooth over an 8 x 8 grid, as tokens are."""
    place = np.arange(8)
    weights = np.exp(-0.5 * np.square((place[:, None] - place) / 1.5))
    tokens = np.einsum("ij,kl,njlc->nikc", weights, weights, rng.normal(size=(images, 8, 8, channels)))
    return (tokens / tokens.std()).reshape(images, 64, channels)


def planted(images: int, channels: int, own: float, rng: np.random.Generator) -> np.ndarray:
    """Likeness [2, 2] of two layers; ``own``: the share of the first one's features that is none of the second one's."""
    dim = 8
    shared = smooth(images, channels, rng)
    read, alone = shared @ rng.normal(size=(channels, dim)), smooth(images, dim, rng)
    read = np.sqrt(1 - own) * read / read.std(axis=(0, 1)) + np.sqrt(own) * alone / alone.std(axis=(0, 1))
    tokens = [torch.from_numpy(np.concatenate([shared, read], axis=2)), torch.from_numpy(shared)]
    both = torch.stack([torch.from_numpy(read), torch.from_numpy(shared[..., :dim])])
    return layer_likeness(tokens, both, torch.eye(dim, dtype=torch.float64))[1]


@pytest.mark.parametrize("own", [0.01, 0.05])
@pytest.mark.parametrize(("images", "channels"), [(128, 96), (48, 96), (96, 192)])
def test_what_a_layer_has_of_its_own_is_found_from_few_images(images: int, channels: int, own: float) -> None:
    assert 1 - planted(images, channels, own, np.random.default_rng(0))[0, 1] == pytest.approx(own, abs=0.02)


def test_too_few_images_for_so_many_channels_cannot_tell() -> None:
    assert np.isnan(planted(16, 192, 0.05, np.random.default_rng(0))[0, 1])
    # That a layer is a copy shows all the same.
    assert planted(16, 192, 1e-4, np.random.default_rng(0))[0, 1] > 0.98
    assert images_needed(96) == 128
    assert images_needed(1024) == 512


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
