from __future__ import annotations

from math import log

import numpy as np
import pytest
import torch
from scipy.stats import entropy

from brainbench.fitting import FreeSelectors, TopologicalSelectors, entropy_penalty, positional_encoding
from brainbench.fitting.selectors import factored


def coordinates(voxels: int = 20) -> torch.Tensor:
    return torch.randn(voxels, 3, generator=torch.Generator().manual_seed(0)) * torch.tensor([30.0, 60.0, 20.0])


def test_encoding_is_sines_and_cosines_of_the_scaled_coordinates() -> None:
    points = coordinates().double()
    span = np.ptp(points.numpy(), axis=0).max()
    middle = (points.numpy().min(0) + points.numpy().max(0)) / 2
    angles = ((points.numpy() - middle) * 100 / span)[:, :, None] * np.geomspace(1, 1e-3, 32)
    expected = np.concatenate([np.sin(angles), np.cos(angles)], axis=2).reshape(20, 192)
    np.testing.assert_allclose(positional_encoding(points).numpy(), expected, atol=1e-9)


def test_encoding_does_not_depend_on_unit_or_origin() -> None:
    points = coordinates().double()
    torch.testing.assert_close(
        positional_encoding(points * 0.001 + 5), positional_encoding(points), rtol=1e-8, atol=1e-8
    )


def test_encoding_of_a_single_voxel_is_finite() -> None:
    assert positional_encoding(coordinates(1)).isfinite().all()


@pytest.mark.parametrize("voxels", [1, 20, 3000])
def test_a_factored_encoding_is_the_encoding_and_thinner(voxels: int) -> None:
    encoding = positional_encoding(coordinates(voxels))
    codes, basis = factored(encoding)
    assert codes.shape[1] == len(basis) <= min(voxels, 100)
    assert (codes.double() @ basis.double() - encoding).abs().max() < 1e-5


@pytest.mark.parametrize("topology", [True, False])
def test_voxels_start_at_the_centre_with_all_layers_alike(topology: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    selectors = TopologicalSelectors(coordinates(), 5, generator) if topology else FreeSelectors(20, 5)
    space, layer, scale = selectors()
    assert (space == 0).all()
    assert (layer == 0.2).all()
    assert (scale == 0.5).all()


def test_topological_selectors_have_the_stated_sizes() -> None:
    selectors = TopologicalSelectors(coordinates(), 12, torch.Generator().manual_seed(0))
    heads = {"space": 2, "layer": 12, "scale": 1}
    expected = sum(192 * 128 + 128 + 128 * 128 + 128 + 128 * n + n for n in heads.values())
    assert sum(p.numel() for p in selectors.parameters()) == expected


def test_penalty_is_minus_the_mean_normalised_entropy() -> None:
    layer = torch.rand(7, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    layer = layer / layer.sum(1, keepdim=True)
    assert entropy_penalty(layer).item() == pytest.approx(-(entropy(layer.numpy(), axis=1) / log(4)).mean())
    assert entropy_penalty(torch.full((3, 4), 0.25)).item() == pytest.approx(-1)
    assert entropy_penalty(torch.eye(4)).item() == 0


def test_penalty_rewards_entropy_and_its_gradient_is_finite_at_one_hot() -> None:
    logits = torch.tensor([[200.0, 0.0, 0.0], [1.0, 0.0, 0.0]], requires_grad=True)
    (gradient,) = torch.autograd.grad(entropy_penalty(logits.softmax(1)), logits)
    assert gradient.isfinite().all()
    assert gradient[1, 0] > 0


def test_penalty_of_a_single_layer_is_zero() -> None:
    assert entropy_penalty(torch.ones(3, 1)).item() == 0
