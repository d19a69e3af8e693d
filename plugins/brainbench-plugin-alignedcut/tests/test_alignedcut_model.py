from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from brainbench_alignedcut.model import AlignedCutModel
from brainbench_alignedcut.terms import NODES, Terms
from torch import Tensor

CHANNELS, VOXELS, DIM = (4, 7), 6, 5


@pytest.fixture
def tokens() -> list[Tensor]:
    """Two layers of unlike width: eight images, 3 x 5 places and the global token."""
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(8, 16, c, generator=generator, dtype=torch.float64) for c in CHANNELS]


@pytest.fixture
def observed() -> Tensor:
    return torch.randn(8, VOXELS, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def model_of(terms: Terms, seed: int = 0) -> AlignedCutModel:
    return AlignedCutModel(CHANNELS, VOXELS, DIM, terms, torch.Generator().manual_seed(seed)).double()


def test_it_is_the_mean_over_tokens_and_layers_then_a_regression(tokens: list[Tensor]) -> None:
    model = model_of(Terms())
    first, second = model.align.layers
    expected = torch.zeros(8, VOXELS, dtype=torch.float64)
    for image in range(8):
        total = torch.zeros(DIM, dtype=torch.float64)
        for place in range(16):
            total += (first @ tokens[0][image, place] + second @ tokens[1][image, place]) / 2
        expected[image] = model.regression.weight @ (total / 16) + model.regression.bias
    torch.testing.assert_close(model(tokens), expected)


def test_without_terms_the_loss_is_torchs_l1_and_nothing_is_drawn(tokens: list[Tensor], observed: Tensor) -> None:
    model = model_of(Terms(0, 0, 0))
    before = int(model.draws)
    torch.testing.assert_close(model.loss(tokens, observed, 0.0), torch.nn.L1Loss()(model(tokens), observed))
    assert int(model.draws) == before


def test_the_terms_are_those_of_nodes_drawn_from_every_layer(tokens: list[Tensor], observed: Tensor) -> None:
    model, seen = model_of(Terms()), list[Sequence[Tensor]]()

    class Watched(Terms):
        def loss(self, before: Sequence[Tensor], after: Tensor) -> Tensor:
            seen.append(before)
            torch.testing.assert_close(after, model.align(before))
            return super().loss(before, after)

    model.terms = Watched()
    brain = model_of(Terms(0, 0, 0)).loss(tokens, observed, 0.0)
    torch.testing.assert_close(model.loss(tokens, observed, 0.0), brain + Terms().loss(seen[0], model.align(seen[0])))
    model.loss(tokens, observed, 0.0)
    for layer, first, second in zip(tokens, *seen, strict=True):
        assert first.shape == (NODES, layer.shape[2])
        rows = {tuple(row.tolist()) for row in layer.flatten(0, 1)}
        assert len({tuple(row.tolist()) for row in first} & rows) == NODES
        assert not torch.equal(first, second)


@pytest.mark.slow
def test_gradients_of_the_whole_loss_equal_finite_differences(tokens: list[Tensor], observed: Tensor) -> None:
    model = model_of(Terms(1.0, 0.5, 0.5))
    start = int(model.draws)

    def loss(*parameters: Tensor) -> Tensor:
        model.draws.fill_(start)
        named = dict(zip((name for name, _ in model.named_parameters()), parameters, strict=True))
        found: Tensor = torch.func.functional_call(
            _Loss(model), {f"model.{n}": p for n, p in named.items()}, (tokens, observed)
        )
        return found

    assert torch.autograd.gradcheck(loss, tuple(p.detach().requires_grad_() for p in model.parameters()))


class _Loss(torch.nn.Module):
    def __init__(self, model: AlignedCutModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, tokens: list[Tensor], observed: Tensor) -> Tensor:
        return self.model.loss(tokens, observed, 0.0)


def test_draws_come_from_the_state_and_the_seed(tokens: list[Tensor], observed: Tensor) -> None:
    model, other = model_of(Terms()), model_of(Terms(), seed=1)
    model.loss(tokens, observed, 0.0)
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    second = model.loss(tokens, observed, 0.0)
    other.load_state_dict(state)
    assert float((other.loss(tokens, observed, 0.0) - second).detach()) == 0
    assert int(model_of(Terms()).draws) != int(model_of(Terms(), seed=1).draws)


def test_fewer_tokens_than_nodes_are_all_taken(observed: Tensor) -> None:
    few = [torch.randn(8, 2, c, generator=torch.Generator().manual_seed(c)).double() for c in CHANNELS]
    model = model_of(Terms())
    model.loss(few, observed, 0.0).backward()
    assert all(p.grad is not None and bool(p.grad.isfinite().all()) for p in model.parameters())


def test_a_model_that_has_diverged_gives_a_loss_that_says_so(tokens: list[Tensor], observed: Tensor) -> None:
    model = model_of(Terms())
    with torch.no_grad():
        model.align.layers[0].fill_(torch.inf)
    assert not bool(model.loss(tokens, observed, 0.0).detach().isfinite())
