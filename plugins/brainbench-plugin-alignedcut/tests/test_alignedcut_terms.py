from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from math import exp

import numpy as np
import pytest
import scipy.linalg
import torch
from brainbench_alignedcut.terms import Terms, affinity, covariance, eigen, normalised, zero_centre
from numpy.typing import NDArray
from torch import Tensor

Floats = NDArray[np.float64]
LAYERS, NODES, DIM = 3, 15, 5
CHANNELS = (4, 7, 9)


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.fixture
def before() -> list[Tensor]:
    """Nodes of layers of unlike width, m of each."""
    return [normal(NODES, c, seed=c) + 0.5 for c in CHANNELS]


@pytest.fixture
def aligns() -> list[Tensor]:
    return [normal(c, DIM, seed=c + 50).requires_grad_() for c in CHANNELS]


def aligned(before: Sequence[Tensor], aligns: Sequence[Tensor]) -> Tensor:
    return torch.stack([nodes @ weight for nodes, weight in zip(before, aligns, strict=True)])


def affinity_of(nodes: Floats) -> Floats:
    """Pair by pair."""
    found = np.empty((len(nodes), len(nodes)))
    for i, v in enumerate(nodes):
        for j, w in enumerate(nodes):
            found[i, j] = exp(v @ w / np.sqrt(v @ v) / np.sqrt(w @ w) - 1)
    return found


def leading(nodes: Floats, rotation: Floats) -> Floats:
    """X [m, 6] of equation 3, turned within its span, by scipy's generalised problem: X = D^1/2 Z where A Z = D Z l."""
    a = affinity_of(nodes)
    degrees = np.diag(a.sum(axis=1))
    _, vectors = scipy.linalg.eigh(a, degrees)
    return np.asarray(np.sqrt(degrees) @ vectors[:, -6:] @ rotation)


@pytest.mark.parametrize("focal", [True, False])
def test_eigen_term_is_the_norm_of_equations_5_and_8_whichever_way_eigenvectors_are_turned(
    before: list[Tensor], aligns: list[Tensor], focal: bool
) -> None:
    after = aligned(before, aligns).detach()
    norms = []
    for number, (b, a) in enumerate(zip(before, after, strict=True)):
        one, other = (scipy.linalg.qr(normal(6, 6, seed=number + 10 * k).numpy())[0] for k in (1, 2))
        x_b, x_a = leading(b.numpy(), one), leading(a.numpy(), other)
        weight = np.exp(-affinity_of(b.numpy())) if focal else 1.0
        norms.append(np.sqrt(np.square((x_b @ x_b.T - x_a @ x_a.T) * weight).sum()))
    assert float(eigen(before, after, focal=focal)) == pytest.approx(np.mean(norms), rel=1e-9)


def test_zero_centre_and_covariance_are_those_of_a_loop(before: list[Tensor], aligns: list[Tensor]) -> None:
    after = aligned(before, aligns).detach()
    nodes = after.numpy().reshape(-1, DIM)
    means = [sum(nodes[:, j]) / len(nodes) for j in range(DIM)]
    assert float(zero_centre(after)) == pytest.approx(sum(abs(m) for m in means) / DIM)
    matrix = np.cov(nodes, rowvar=False)
    total = sum(matrix[i, j] ** 2 for i in range(DIM) for j in range(DIM) if i != j)
    assert float(covariance(after)) == pytest.approx(total / DIM)


def of_eigen(before: list[Tensor], after: Tensor, focal: bool) -> Tensor:
    return eigen(before, after, focal=focal)


TERMS: dict[str, Callable[[list[Tensor], Tensor], Tensor]] = {
    "eigen": partial(of_eigen, focal=False),
    "focal": partial(of_eigen, focal=True),
    "zero_centre": lambda before, after: zero_centre(after),
    "covariance": lambda before, after: covariance(after),
    "all": lambda before, after: Terms(1.0, 0.3, 0.2).loss(before, after),
}


@pytest.mark.parametrize("term", TERMS.values(), ids=list(TERMS))
def test_gradients_equal_finite_differences(
    before: list[Tensor], aligns: list[Tensor], term: Callable[[list[Tensor], Tensor], Tensor]
) -> None:
    assert torch.autograd.gradcheck(lambda *weights: term(before, aligned(before, weights)), tuple(aligns))


def test_gradients_of_the_eigen_term_where_kept_eigenvalues_are_nearly_equal() -> None:
    """Six groups of four nodes, at right angles to one another: eigenvalues 2 to 6 differ by rounding, or by a hundred-thousandth."""
    groups = torch.eye(6, dtype=torch.float64).repeat_interleave(4, dim=0)[None]
    for noise in (1e-13, 1e-5):
        after = (groups + noise * normal(1, 24, 6)).requires_grad_()
        values = torch.linalg.eigvalsh(normalised(affinity(after.detach())))[0]
        assert float(values[-2] - values[-6]) < 10 * noise
        assert float(values[-6] - values[-7]) > 0.1
        assert torch.autograd.gradcheck(lambda a: eigen([normal(24, 8, seed=1)], a, focal=True), (after,))


def test_no_gradient_flows_into_what_it_is_compared_with(before: list[Tensor], aligns: list[Tensor]) -> None:
    given = [nodes.clone().requires_grad_() for nodes in before]
    eigen(given, aligned(before, aligns), focal=True).backward()
    assert all(nodes.grad is None for nodes in given)


def test_the_eigen_term_is_zero_for_an_orthogonal_align_and_blind_to_rotation(
    before: list[Tensor], aligns: list[Tensor]
) -> None:
    square = [nodes @ normal(c, 7, seed=c) for nodes, c in zip(before, CHANNELS, strict=True)]
    rotation, _ = torch.linalg.qr(normal(7, 7, seed=9))
    assert float(eigen(square, torch.stack(square) @ rotation * 3, focal=True)) < 1e-10
    after = aligned(before, aligns).detach()
    turned, _ = torch.linalg.qr(normal(DIM, DIM, seed=8))
    torch.testing.assert_close(eigen(before, after @ turned, focal=True), eigen(before, after, focal=True))
    assert float(eigen(before, after, focal=True)) > 0.1


def test_a_term_that_is_off_is_left_out(before: list[Tensor], aligns: list[Tensor]) -> None:
    after = aligned(before, aligns).detach()
    parts = {
        "eigen": 2.0 * eigen(before, after, focal=True),
        "zero_centre": 0.5 * zero_centre(after),
        "covariance": 0.25 * covariance(after),
    }
    weights = {"eigen": 2.0, "zero_centre": 0.5, "covariance": 0.25}
    torch.testing.assert_close(Terms(**weights).loss(before, after), sum(parts.values(), torch.zeros(())).double())
    for name in weights:
        without = Terms(**{**weights, name: 0.0}).loss(before, after)
        torch.testing.assert_close(Terms(**weights).loss(before, after) - without, parts[name])
    off = Terms(0, 0, 0)
    assert not off.wanted
    assert float(off.loss(before, after)) == 0
    assert float(Terms(focal=False).loss(before, after)) != float(Terms().loss(before, after))


def test_nodes_that_are_all_alike_or_all_zero_do_no_harm() -> None:
    for nodes in (torch.ones(20, 4), torch.zeros(20, 4)):
        weight = torch.ones(4, 3, requires_grad=True)
        Terms().loss([nodes], (nodes @ weight)[None]).backward()
        assert weight.grad is not None
        assert bool(weight.grad.isfinite().all())
        assert float(weight.grad.abs().max()) < 1


def test_fewer_nodes_than_eigenvectors_keep_everything() -> None:
    after = normal(1, 4, 3).requires_grad_()
    assert float(eigen([normal(4, 8, seed=1)], after, focal=True).detach()) < 1e-12
