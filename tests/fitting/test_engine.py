from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from linear import QUICK, LinearModel, linear_problem
from sklearn.metrics import r2_score
from torch import Tensor

from brainbench import DataError, FitContext, Responses
from brainbench.fitting import FittedModel, Linear, TrainingData, fit_model, load_training_data, train
from brainbench.fitting.engine import NOTHING_LEARNED
from brainbench.fitting.prediction import Validation, predictions

MakeFeatures = Callable[..., Any]
CONTEXT = FitContext(0, "cpu")


@pytest.fixture
def problem(memory_features: MakeFeatures) -> tuple[Any, Responses]:
    return linear_problem(memory_features)


def data_of(problem: tuple[Any, Responses]) -> TrainingData:
    return load_training_data(*problem, ("global",))


def predicted_by(model: LinearModel, data: TrainingData, stimulus: np.ndarray) -> np.ndarray:
    return model(data.tokens_of(stimulus, "cpu")).detach().numpy()


def test_loss_is_smooth_l1_with_beta_a_tenth_plus_the_weighted_penalty(problem: tuple[Any, Responses]) -> None:
    data = data_of(problem)
    model, rows = LinearModel(penalty=-0.7), data.train[[3, 9]]
    tokens, observed = data.tokens_of(data.stimulus[rows], "cpu"), data.observed(rows)
    error = np.abs((model(tokens) - observed).detach().numpy())
    expected = np.where(error < 0.1, error**2 / 0.2, error - 0.05).mean() - 0.7 * 0.03
    assert model.loss(tokens, observed, 0.03).item() == pytest.approx(expected, rel=1e-5)


def test_a_linear_problem_is_solved_and_told(problem: tuple[Any, Responses]) -> None:
    told: list[tuple[int, int, str]] = []
    model, data = LinearModel(), data_of(problem)
    history = train(
        model, data, replace(QUICK, steps=300), FitContext(0, "cpu", lambda *report: told.append(report))
    ).history
    assert history[-1]["val_r2"] > 0.99
    assert [row["step"] for row in history] == [60, 120, 180, 240, 300]
    assert history[-1]["loss"] < history[0]["loss"]
    figures = f"loss {history[-1]['loss']:.3f}, val R2 {history[-1]['val_r2']:.3f}"
    assert told[-1] == (300, 300, f"step 300 of 300, {figures}")
    assert list(dict.fromkeys(done for done, _, _ in told if done % 60 == 0)) == [60, 120, 180, 240, 300]


def test_progress_has_figures_as_far_as_there_are_any(problem: tuple[Any, Responses], monkeypatch: Any) -> None:
    monkeypatch.setattr("brainbench.fitting.engine._TELL_EVERY_S", -1)
    told: list[str] = []
    train(
        LinearModel(),
        data_of(problem),
        replace(QUICK, steps=3, epoch=2),
        FitContext(0, "cpu", lambda *r: told.append(r[2])),
    )
    with pytest.raises(
        AssertionError, match=r"step 1 of 3, loss \d.\d{3}\nstep 2 of 3, loss \d.\d{3}\nstep 2 of 3, loss .*, val R2 "
    ):
        raise AssertionError("\n".join(told))


def test_batch_order_is_that_of_the_seed_and_the_losses_those_of_a_loop_by_hand(problem: tuple[Any, Responses]) -> None:
    """The loop written out, with torch's own unfused AdamW."""
    data, model, oracle = data_of(problem), LinearModel(penalty=0.5), LinearModel()
    recipe = replace(QUICK, steps=12, epoch=4, keep=1)
    history = train(model, data, recipe, FitContext(7, "cpu")).history
    generator = torch.Generator().manual_seed((1 << 32) + 7)
    order = torch.cat([torch.randperm(len(data.train), generator=generator) for _ in range(3)]).numpy()
    optimiser = torch.optim.AdamW(oracle.parameters(), weight_decay=QUICK.weight_decay, foreach=False, fused=False)
    losses, scores = [], []
    for step in range(12):
        rows = data.train[order[step * 16 : (step + 1) * 16]]
        for group in optimiser.param_groups:
            group["lr"] = 0.02 * (1 + np.cos(np.pi * step / 12)) / 2
        optimiser.zero_grad()
        loss = torch.nn.functional.smooth_l1_loss(
            oracle(data.tokens_of(data.stimulus[rows], "cpu")), data.observed(rows), beta=0.1
        )
        loss.backward()
        optimiser.step()
        # The penalty's weight falls from 0.1 to nothing over 15 % of the steps.
        losses.append(loss.item() + 0.5 * 0.1 * max(0, 1 - step / 2))
        if step % 4 == 3:
            predicted = predicted_by(oracle, data, data.stimulus[data.val])
            scores.append(r2_score(data.observed(data.val).numpy(), predicted))
    assert [row["loss"] for row in history] == pytest.approx(np.array(losses).reshape(3, 4).mean(1), rel=1e-5)
    assert [row["val_r2"] for row in history] == pytest.approx(scores, rel=1e-4)
    assert scores[-1] == max(scores)
    torch.testing.assert_close(model.map.weight, oracle.map.weight, rtol=1e-5, atol=1e-6)


def test_validation_r2_is_the_mean_over_voxels_that_vary_none_below_minus_one(
    memory_features: MakeFeatures, monkeypatch: Any
) -> None:
    features, responses = linear_problem(memory_features, repeats=3)
    responses.values[responses.rows("val"), 1] = 3
    data, model = data_of((features, responses)), LinearModel()
    predicted = predicted_by(model, data, data.stimulus[data.val])
    varying = [0, 2, 3]
    observed = data.observed(data.val).numpy()
    each = [r2_score(observed[:, voxel], predicted[:, voxel]) for voxel in varying]
    assert min(each) < -1
    expected = np.mean(np.maximum(each, -1))
    assert Validation(model, data, "cpu").r2() == pytest.approx(expected, rel=1e-5)
    monkeypatch.setattr("brainbench.fitting.prediction._BLOCK_FIGURES", 8)
    assert Validation(model, data, "cpu").r2() == pytest.approx(expected, rel=1e-5)


def with_val(problem: tuple[Any, Responses], count: int) -> tuple[Any, Responses]:
    """The same, with so many val responses."""
    features, responses = problem
    split = responses.split.copy()
    split[responses.rows("val")[count:]] = "test"
    return features, replace(responses, split=split)


def test_one_val_response_is_compared_with_the_variance_over_the_train_split(problem: tuple[Any, Responses]) -> None:
    data, model = data_of(with_val(problem, 1)), LinearModel()
    fitted = fit_model(model, data, replace(QUICK, steps=300), CONTEXT)
    assert "no voxel varies over the val split (1 responses)" in fitted.notes[0]
    error = data.observed(data.val) - model(data.tokens_of(data.stimulus[data.val], "cpu")).detach()
    assert Validation(model, data, "cpu").r2() == pytest.approx(1 - error.square().mean().item(), rel=1e-5)
    assert fitted.history[-1]["val_r2"] > 0.9


def test_one_train_image_gives_its_responses_and_a_note(problem: tuple[Any, Responses]) -> None:
    features, responses = problem
    split = responses.split.copy()
    split[responses.rows("train")[1:]] = "test"
    data = data_of((features, replace(responses, split=split)))
    fitted = fit_model(LinearModel(), data, QUICK, CONTEXT)
    assert fitted.notes == (
        "the train split has one image: there is nothing to learn from it but its responses",
        NOTHING_LEARNED,
    )
    only = responses.stimulus[data.train]
    spread = responses.values.std(axis=0)
    np.testing.assert_allclose((fitted.predict(features, only) - responses.values[data.train]) / spread, 0, atol=0.5)
    assert np.isfinite(fitted.predict(features, np.arange(20))).all()


def test_voxels_that_do_not_vary_over_val_are_told(problem: tuple[Any, Responses]) -> None:
    features, responses = problem
    responses.values[responses.rows("val"), 1] = 3
    assert data_of((features, responses)).notes == (
        "1 of 4 voxels do not vary over the val split: epochs are chosen by the others",
    )


def test_a_loss_that_is_not_finite_is_caught_within_an_epoch(problem: tuple[Any, Responses]) -> None:
    model, done = LinearModel(), []

    def sabotage() -> None:
        done.append(1)
        if len(done) == 24:
            model.penalty = float("nan")

    model.each_step = sabotage
    message = (
        r"diverged at step 24 of 5000 \(loss nan\) at a learning rate of 0.02: lower it \(--set ENCODER.lr=0.002\)"
    )
    with pytest.raises(DataError, match=message):
        train(model, data_of(problem), replace(QUICK, steps=5000, epoch=1000), CONTEXT)
    assert len(done) == 40


def test_a_val_r2_that_is_not_finite_is_no_result(problem: tuple[Any, Responses], monkeypatch: Any) -> None:
    monkeypatch.setattr("brainbench.fitting.prediction.Validation.r2", lambda self: float("-inf"))
    with pytest.raises(DataError, match=r"diverged at step 12 of 60 \(val R2 -inf\)"):
        train(LinearModel(), data_of(problem), QUICK, CONTEXT)


def test_fit_stops_when_it_gets_no_better(problem: tuple[Any, Responses]) -> None:
    recipe = replace(QUICK, lr=1e-30, epoch=5, patience=2, schedule="constant", penalty=0, blur=0)
    history = train(LinearModel(), data_of(problem), recipe, CONTEXT).history
    assert [row["step"] for row in history] == [5, 10, 15]


def test_a_fit_that_has_not_settled_does_not_stop(problem: tuple[Any, Responses]) -> None:
    """However long it gets no better: blur and penalty are still there."""
    recipe = replace(QUICK, lr=1e-30, epoch=5, patience=2, schedule="constant", penalty=0, blur=1.0, blur_steps=30)
    assert train(LinearModel(), data_of(problem), recipe, CONTEXT).history[-1]["step"] == 40
    recipe = replace(recipe, patience=0)
    assert train(LinearModel(), data_of(problem), recipe, CONTEXT).history[-1]["step"] == recipe.steps


def test_a_fit_that_learned_nothing_predicts_the_mean_and_says_so(problem: tuple[Any, Responses]) -> None:
    features, responses = problem
    rng = np.random.default_rng(0)
    noise = replace(responses, values=rng.normal(9, 2, responses.values.shape).astype(np.float32))
    data, model = data_of((features, noise)), LinearModel()
    training = train(model, data, replace(QUICK, lr=0.5, schedule="constant"), CONTEXT)
    assert training.notes == (NOTHING_LEARNED,)
    fitted = FittedModel(model=model, reader=data.reader, units=training.units, device="cpu", history=training.history)
    means = noise.values[noise.rows("train")].mean(axis=0)
    np.testing.assert_allclose(fitted.predict(features, np.arange(3)), np.tile(means, (3, 1)), rtol=1e-5)
    assert not fitted.parameters()["responses.sd"].any()
    learned = train(LinearModel(), data_of(problem), QUICK, CONTEXT)
    assert learned.notes == ()
    assert learned.units.sd.all()


def test_the_best_epoch_is_what_remains(problem: tuple[Any, Responses]) -> None:
    data, model = data_of(problem), LinearModel()
    recipe = replace(QUICK, lr=0.5, schedule="constant", epoch=3, keep=4, patience=99)
    history = train(model, data, recipe, CONTEXT).history
    best = max(row["val_r2"] for row in history)
    assert Validation(model, data, "cpu").r2() >= best
    assert best > history[-1]["val_r2"]


def test_seed_decides_everything_and_the_global_state_nothing(problem: tuple[Any, Responses]) -> None:
    def weights(seed: int, global_seed: int) -> bytes:
        torch.manual_seed(global_seed)
        before = torch.get_rng_state()
        model = LinearModel()
        train(model, data_of(problem), QUICK, FitContext(seed, "cpu"))
        assert torch.equal(torch.get_rng_state(), before)
        return model.map.weight.detach().numpy().tobytes()

    assert weights(1, 5) == weights(1, 6)
    assert weights(1, 5) != weights(2, 5)


def test_predictions_are_in_units_of_the_responses_and_blocks_do_not_show(
    problem: tuple[Any, Responses], monkeypatch: pytest.MonkeyPatch
) -> None:
    features, responses = problem
    data, model = data_of(problem), LinearModel()
    history = train(model, data, replace(QUICK, steps=300), CONTEXT).history
    fitted = FittedModel(model=model, reader=data.reader, units=data.units, device="cpu", history=history)
    test = responses.rows("test")
    whole = fitted.predict(features, responses.stimulus[test])
    assert r2_score(responses.values[test], whole) > 0.99
    assert whole.dtype == np.float32
    monkeypatch.setattr("brainbench.fitting.prediction._BLOCK_FIGURES", 12)
    np.testing.assert_allclose(fitted.predict(features, responses.stimulus[test]), whole, rtol=1e-6)
    assert fitted.predict(features, test[:0]).shape == (0, 4)


def test_stimuli_are_predicted_in_the_order_asked_for_each_once(problem: tuple[Any, Responses]) -> None:
    data, model = data_of(problem), LinearModel()
    fitted = FittedModel(model=model, reader=data.reader, units=data.units, device="cpu", history=())
    asked = np.array([70, 3, 70, 3, 3, 119, 0] * 40)
    one_by_one = np.concatenate([fitted.predict(problem[0], asked[i : i + 1]) for i in range(7)])
    np.testing.assert_allclose(fitted.predict(problem[0], asked), np.tile(one_by_one, (40, 1)), rtol=1e-5)
    sizes = [
        (len(trials), len(part))
        for trials, part in predictions(model, asked, lambda s: data.reader.read(problem[0], s))
    ]
    assert sum(trials for trials, _ in sizes) == len(asked)
    assert all(trials == part <= 64 for trials, part in sizes)


def test_parameters_hold_the_scales_too(problem: tuple[Any, Responses]) -> None:
    data, model = data_of(problem), LinearModel()
    fitted = FittedModel(model=model, reader=data.reader, units=data.units, device="cpu", history=())
    parameters = fitted.parameters()
    scales = {"tokens.0.global.mean", "tokens.0.global.sd", "responses.mean", "responses.sd"}
    assert set(parameters) == {"model.map.weight", "model.map.bias", *scales}
    assert all(p.is_contiguous() and not p.requires_grad for p in parameters.values())


class ScaledModel(LinearModel):
    """With a selector that scales the responses."""

    def __init__(self) -> None:
        super().__init__()
        self.selectors = Linear(1, 1, torch.Generator().manual_seed(1))

    def forward(self, tokens: Sequence[Tensor]) -> Tensor:
        return super().forward(tokens) * self.selectors(torch.ones(1))


@pytest.mark.parametrize("share", [0.25, 0.0])
def test_selectors_learn_at_a_share_of_the_rate(problem: tuple[Any, Responses], share: float) -> None:
    model = ScaledModel()
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    recipe = replace(QUICK, steps=1, lr=0.01, weight_decay=0.0, selector_lr=share)
    train(model, data_of(problem), recipe, CONTEXT)
    # Adam's first step is the learning rate, whatever the gradient.
    moved = {name: (p - before[name]).abs().max().item() for name, p in model.named_parameters()}
    assert moved["map.weight"] == pytest.approx(0.01, rel=1e-3)
    assert moved["selectors.weight"] == pytest.approx(0.01 * share, rel=1e-3)
