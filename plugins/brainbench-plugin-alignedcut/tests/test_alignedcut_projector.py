from __future__ import annotations

import numpy as np
import pytest
import torch
from brainbench_alignedcut.projector import LEAST_GAP, projector
from torch import Tensor

KEPT = 6


def matrix(values: list[float], seed: int = 0) -> Tensor:
    """A symmetric float64 matrix with these eigenvalues."""
    generator = torch.Generator().manual_seed(seed)
    basis, _ = torch.linalg.qr(torch.randn(len(values), len(values), generator=generator, dtype=torch.float64))
    return basis @ torch.diag(torch.tensor(values, dtype=torch.float64)) @ basis.mT


SPECTRA = {
    "apart": [1, 0.8, 0.7, 0.6, 0.5, 0.4, 0.2, 0.1, 0.05, 0, -0.1, -0.3],
    "nearly equal among the kept": [1, 0.5, 0.5 + 1e-13, 0.5 - 1e-13, 0.4, 0.4 + 1e-11, 0.2, 0.1, 0.1, 0.1, 0, 0],
    "equal on both sides": [1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0],
}


def symmetric(free: Tensor) -> Tensor:
    return projector((free + free.mT) / 2, KEPT)


@pytest.mark.parametrize("values", SPECTRA.values(), ids=list(SPECTRA))
def test_gradients_equal_finite_differences(values: list[float]) -> None:
    batch = torch.stack([matrix(values, seed) for seed in (0, 1)]).requires_grad_()
    assert torch.autograd.gradcheck(symmetric, (batch,), atol=1e-6)


def test_it_is_the_sum_over_leading_eigenvectors() -> None:
    found = projector(matrix(SPECTRA["apart"]), KEPT)
    _, vectors = np.linalg.eigh(matrix(SPECTRA["apart"]).numpy())
    np.testing.assert_allclose(found, sum(np.outer(u, u) for u in vectors.T[::-1][:KEPT]), atol=1e-12)


def test_the_gradient_is_finite_where_autograd_has_none() -> None:
    """Kept eigenvalues that are equal to the last bit: plain autograd divides by their difference."""
    free = torch.diag(torch.tensor([1, 0.5, 0.5, 0.5, 0.4, 0.4, 0.2, 0.1, 0], dtype=torch.float64)).requires_grad_()
    weight = matrix([1.0, 0.9, 0.5, 0.3, 0.2, 0.1, 0, -0.2, -0.4])
    plain = torch.linalg.eigh(free)[1][:, -KEPT:]
    (lost,) = torch.autograd.grad((plain @ plain.mT * weight).sum(), free)
    (found,) = torch.autograd.grad((symmetric(free) * weight).sum(), free)
    assert bool(lost.isnan().any())
    assert 0 < float(found.abs().max()) < 10


def test_what_is_not_told_apart_at_the_cut_has_no_gradient() -> None:
    values = [1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.5 - LEAST_GAP / 2]
    free = matrix(values).requires_grad_()
    vectors = torch.linalg.eigh(free.detach())[1]
    swap = torch.outer(vectors[:, 0], vectors[:, 1])
    (symmetric(free) * (swap + swap.mT)).sum().backward()
    assert free.grad is not None
    torch.testing.assert_close(free.grad, torch.zeros_like(free), atol=1e-10, rtol=0)


def test_everything_kept_is_the_identity_and_what_is_not_finite_is_nan() -> None:
    small = matrix([1.0, 0.5, 0.2]).requires_grad_()
    found = symmetric(small)
    torch.testing.assert_close(found, torch.eye(3, dtype=torch.float64))
    found.sum().backward()
    assert small.grad is not None
    assert not small.grad.any()
    broken = torch.full((2, 8, 8), torch.inf, requires_grad=True)
    symmetric(broken).sum().backward()
    assert broken.grad is not None
    assert bool(broken.grad.isnan().all())
