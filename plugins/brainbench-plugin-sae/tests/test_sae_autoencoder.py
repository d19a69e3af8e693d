"""Autoencoders and their losses against numpy in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from brainbench_sae.autoencoder import Autoencoder, drawn, neurons
from brainbench_sae.objective import Objective

B, C, M, K, L1 = 7, 5, 11, 3, 0.05
Arrays = dict[str, np.ndarray]


def model(kind: str) -> Autoencoder:
    made = drawn(C, M, kind, K, torch.Generator().manual_seed(0)).double()
    with torch.no_grad():
        made.bias.copy_(torch.linspace(-0.1, 0.1, M))
        made.centre.copy_(torch.linspace(0.3, -0.2, C))
    return made


def arrays(made: Autoencoder) -> Arrays:
    return {name: tensor.detach().numpy().copy() for name, tensor in made.state_dict().items()}


def tokens() -> np.ndarray:
    return np.random.default_rng(0).normal(0.5, 1, (B, C))


def codes(p: Arrays, x: np.ndarray, kind: str) -> np.ndarray:
    before = np.maximum((x - p["centre"]) @ p["encoder"].T + p["bias"], 0)
    if kind == "topk":
        before[before < np.sort(before, axis=1)[:, -K, None]] = 0
    if kind == "batchtopk":
        before[before < np.sort(before, axis=None)[-K * B]] = 0
    return before


def loss(p: Arrays, x: np.ndarray, kind: str) -> float:
    z = codes(p, x, kind)
    found = z @ p.get("decoder", p["encoder"]) + p["centre"]
    error = ((found - x) ** 2).mean(axis=1) / (x**2).mean(axis=1)
    penalty = L1 * np.abs(z).sum(axis=1) / np.sqrt((x**2).sum(axis=1)) if kind == "tied" else 0
    return float((error + penalty).mean())


@pytest.mark.parametrize("kind", ["tied", "topk", "batchtopk"])
def test_losses_and_gradients_are_the_oracles(kind: str) -> None:
    made, x = model(kind), tokens()
    found = Objective(made, kind, L1).loss(torch.from_numpy(x))
    found.backward()
    p = arrays(made)
    assert found.item() == pytest.approx(loss(p, x, kind), abs=1e-12)
    for name, parameter in made.named_parameters():
        direction = np.random.default_rng(1).normal(size=parameter.shape)
        if name == "decoder":  # the gradient along a row, which would change its norm, is taken out
            direction -= (direction * p[name]).sum(axis=1, keepdims=True) * p[name]
        ahead, back = ({**p, name: p[name] + step * direction} for step in (1e-6, -1e-6))
        slope = (loss(ahead, x, kind) - loss(back, x, kind)) / 2e-6
        assert parameter.grad is not None
        assert float((parameter.grad.numpy() * direction).sum()) == pytest.approx(slope, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("kind", ["tied", "topk"])
def test_codes_are_the_oracles(kind: str) -> None:
    made, x = model(kind), tokens()
    np.testing.assert_allclose(made.codes(torch.from_numpy(x)).detach(), codes(arrays(made), x, kind), atol=1e-12)


def test_a_batchtopk_autoencoder_has_the_threshold_of_its_batches() -> None:
    made, x = model("batchtopk"), torch.from_numpy(tokens())
    objective = Objective(made, "batchtopk", 0)
    objective.loss(x)
    objective.after_step()
    assert made.threshold.unique().tolist() == [pytest.approx(codes(arrays(made), x.numpy(), "batchtopk")[
        codes(arrays(made), x.numpy(), "batchtopk") > 0].min())]  # fmt: skip
    # What is above it are the same codes but the smallest one.
    assert int((made.codes(x) > 0).sum()) == K * B - 1


def test_a_step_keeps_the_decoders_rows_at_unit_norm() -> None:
    made = model("topk")
    objective, optimiser = Objective(made, "topk", 0), torch.optim.AdamW(made.parameters(), 0.1)
    objective.loss(torch.from_numpy(tokens())).backward()
    optimiser.step()
    assert made.decoder is not None
    assert not torch.allclose(made.decoder.norm(dim=1), torch.ones(M).double(), atol=1e-4)
    objective.after_step()
    torch.testing.assert_close(made.decoder.norm(dim=1), torch.ones(M).double())


def test_a_token_of_zeros_does_not_count() -> None:
    made = drawn(C, M, "tied", K, torch.Generator().manual_seed(0))
    objective, some = Objective(made, "tied", L1), torch.from_numpy(tokens()).float()
    found = objective.loss(torch.cat([some, torch.zeros(B, C)]))
    assert found.item() == pytest.approx(objective.loss(some).item() / 2)
    assert objective.loss(torch.zeros(3, C)) == 0


def test_some_units_alone_have_the_same_codes() -> None:
    units, x = torch.tensor([7, 2]), torch.from_numpy(tokens())
    for kind in ("tied", "batchtopk"):
        made = model(kind)
        if kind == "batchtopk":
            made.threshold.copy_(torch.linspace(0, 0.5, M))
        torch.testing.assert_close(made.only(units).double().codes(x), made.codes(x)[:, units], atol=1e-6, rtol=1e-5)
    with pytest.raises(ValueError, match="depend on all its units"):
        model("topk").only(units)


def test_neurons_are_the_channels() -> None:
    x = torch.from_numpy(tokens()).float()
    torch.testing.assert_close(neurons(C).codes(x), x)
