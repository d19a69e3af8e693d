from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import r2_score
from torch import Tensor

from brainbench import DataError, FitContext, Responses
from brainbench.fitting import (
    FAST,
    EncoderModel,
    FittedModel,
    Linear,
    TrainingData,
    load_training_data,
    predict,
    train,
)
from brainbench.fitting.engine import Validation, draw_batches

MakeFeatures = Callable[..., Any]
QUICK = replace(FAST, epoch_steps=0.2, steps=60, batch_size=16, lr=0.02, dim=1)


class LinearModel(EncoderModel):
    """The first layer's first place -> responses."""

    def __init__(self, channels: int, voxels: int, penalty: float = 0.0) -> None:
        super().__init__(voxels, 1)
        self.map = Linear(channels, voxels, torch.Generator().manual_seed(0))
        self.penalty = penalty

    def forward(self, tokens: Sequence[Tensor]) -> Tensor:
        return self.map(tokens[0][:, 0])

    def loss(self, tokens: Sequence[Tensor], observed: Tensor, penalty: float) -> Tensor:
        return super().loss(tokens, observed, penalty) + self.penalty * penalty


@pytest.fixture
def problem(memory_features: MakeFeatures) -> tuple[Any, Responses]:
    rng = np.random.default_rng(0)
    tokens = rng.normal(size=(120, 5, 1, 1)).astype(np.float32)
    values = (tokens[:, :, 0, 0] @ rng.normal(size=(5, 4)) * 3 + 10 + 0.1 * rng.normal(size=(120, 4))).astype(
        np.float32
    )
    split = np.repeat(["train", "val", "test"], [80, 20, 20])
    return memory_features([tokens]), Responses("1", values, np.arange(120), split, "key")


def data_of(problem: tuple[Any, Responses]) -> TrainingData:
    return load_training_data(*problem, ("global",))


def test_loss_is_smooth_l1_with_beta_a_tenth_plus_the_weighted_penalty(problem: tuple[Any, Responses]) -> None:
    data = data_of(problem)
    model, rows = LinearModel(5, 4, penalty=-0.7), torch.tensor([3, 9])
    tokens, observed = data.tokens_of(rows, "cpu"), data.responses[rows]
    error = np.abs((model(tokens) - observed).detach().numpy())
    expected = np.where(error < 0.1, error**2 / 0.2, error - 0.05).mean() - 0.7 * 0.03
    assert model.loss(tokens, observed, 0.03).item() == pytest.approx(expected, rel=1e-5)


def test_a_linear_problem_is_solved_and_told(problem: tuple[Any, Responses]) -> None:
    told: list[tuple[int, int, str]] = []
    model, data = LinearModel(5, 4), data_of(problem)
    history = train(model, data, replace(QUICK, steps=300), FitContext(0, "cpu", lambda *report: told.append(report)))
    assert history[-1]["val_r2"] > 0.99
    assert [row["step"] for row in history] == [60, 120, 180, 240, 300]
    assert history[-1]["loss"] < history[0]["loss"]
    assert told[-1] == (300, 300, f"val R2 {history[-1]['val_r2']:.3f}")
    assert len(told) >= 30


def test_validation_r2_is_the_mean_over_voxels_that_vary(problem: tuple[Any, Responses]) -> None:
    problem[1].values[80:100, 1] = 3
    data, model = data_of(problem), LinearModel(5, 4)
    predicted = predict(model, data.stimulus[data.val], lambda part: data.tokens_of(part, "cpu"))
    varying = [0, 2, 3]
    expected = r2_score(data.responses[data.val][:, varying].numpy(), predicted[:, varying].numpy())
    assert Validation(model, data, "cpu").r2() == pytest.approx(expected, rel=1e-5)


def test_one_val_response_is_refused(problem: tuple[Any, Responses]) -> None:
    features, responses = problem
    split = responses.split.copy()
    split[81:100] = "test"
    with pytest.raises(DataError, match="no voxel varies over the val split"):
        train(LinearModel(5, 4), data_of((features, replace(responses, split=split))), QUICK, FitContext(0, "cpu"))


def test_divergence_names_step_and_setting(problem: tuple[Any, Responses]) -> None:
    data = data_of(problem)
    with pytest.raises(DataError, match=r"diverged by step 12 \(loss nan\) at a learning rate of 0.02: .*lr=0.002"):
        train(LinearModel(5, 4, penalty=float("nan")), data, QUICK, FitContext(0, "cpu"))


def test_fit_stops_when_it_gets_no_better(problem: tuple[Any, Responses]) -> None:
    recipe = replace(QUICK, lr=1e-30, epoch_steps=5, patience=2)
    history = train(LinearModel(5, 4), data_of(problem), recipe, FitContext(0, "cpu"))
    assert [row["step"] for row in history] == [5, 10, 15]


def test_the_best_epoch_is_what_remains(problem: tuple[Any, Responses]) -> None:
    data, model = data_of(problem), LinearModel(5, 4)
    history = train(
        model,
        data,
        replace(QUICK, lr=0.5, schedule="constant", epoch_steps=3, keep=4, patience=99),
        FitContext(0, "cpu"),
    )
    best = max(row["val_r2"] for row in history)
    assert Validation(model, data, "cpu").r2() >= best
    assert best > history[-1]["val_r2"]


def test_seed_decides_everything_and_the_global_state_nothing(problem: tuple[Any, Responses]) -> None:
    def weights(seed: int, global_seed: int) -> bytes:
        torch.manual_seed(global_seed)
        before = torch.get_rng_state()
        model = LinearModel(5, 4)
        train(model, data_of(problem), QUICK, FitContext(seed, "cpu"))
        assert torch.equal(torch.get_rng_state(), before)
        return model.map.weight.detach().numpy().tobytes()

    assert weights(1, 5) == weights(1, 6)
    assert weights(1, 5) != weights(2, 5)


def test_batches_use_every_row_once_before_any_again() -> None:
    rows = torch.arange(10, 17)
    drawn = torch.cat(list(islice(draw_batches(rows, 3, seed=0), 14)))
    assert len(drawn) == 42
    for start in range(0, 42, 7):
        assert sorted(drawn[start : start + 7].tolist()) == rows.tolist()
    assert next(draw_batches(rows, 100, seed=0)).sort().values.tolist() == rows.tolist()


def test_predictions_are_in_units_of_the_responses_and_blocks_do_not_show(
    problem: tuple[Any, Responses], monkeypatch: pytest.MonkeyPatch
) -> None:
    features, responses = problem
    data, model = data_of(problem), LinearModel(5, 4)
    history = train(model, data, replace(QUICK, steps=300), FitContext(0, "cpu"))
    fitted = FittedModel(model=model, reader=data.reader, units=data.units, device="cpu", history=history)
    test = responses.rows("test")
    whole = fitted.predict(features, test)
    assert r2_score(responses.values[test], whole) > 0.99
    assert whole.dtype == np.float32
    monkeypatch.setattr("brainbench.fitting.engine._BLOCK_FIGURES", 12)
    np.testing.assert_allclose(fitted.predict(features, test), whole, rtol=1e-6)
    assert fitted.predict(features, test[:0]).shape == (0, 4)


def test_parameters_hold_the_scales_too(problem: tuple[Any, Responses]) -> None:
    data, model = data_of(problem), LinearModel(5, 4)
    fitted = FittedModel(model=model, reader=data.reader, units=data.units, device="cpu", history=())
    parameters = fitted.parameters()
    scales = {"tokens.0.global.mean", "tokens.0.global.sd", "responses.mean", "responses.sd"}
    assert set(parameters) == {"model.map.weight", "model.map.bias", *scales}
    assert all(p.is_contiguous() and not p.requires_grad for p in parameters.values())


class ScaledModel(LinearModel):
    """With a selector that scales the responses."""

    def __init__(self) -> None:
        super().__init__(5, 4)
        self.selectors = Linear(1, 1, torch.Generator().manual_seed(1))

    def forward(self, tokens: Sequence[Tensor]) -> Tensor:
        return super().forward(tokens) * self.selectors(torch.ones(1))


@pytest.mark.parametrize("share", [0.25, 0.0])
def test_selectors_learn_at_a_share_of_the_rate(problem: tuple[Any, Responses], share: float) -> None:
    model = ScaledModel()
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    recipe = replace(QUICK, steps=1, lr=0.01, weight_decay=0.0, selector_lr=share)
    train(model, data_of(problem), recipe, FitContext(0, "cpu"))
    # Adam's first step is the learning rate, whatever the gradient.
    moved = {name: (p - before[name]).abs().max().item() for name, p in model.named_parameters()}
    assert moved["map.weight"] == pytest.approx(0.01, rel=1e-3)
    assert moved["selectors.weight"] == pytest.approx(0.01 * share, rel=1e-3)
