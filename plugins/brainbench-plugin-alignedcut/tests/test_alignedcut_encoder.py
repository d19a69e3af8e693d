from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import brainbench_alignedcut
import numpy as np
import pytest
import torch
from brainbench_alignedcut.encoder import AlignedFit
from brainbench_alignedcut.grids import on_grid
from brainbench_alignedcut.model import AlignedCutModel
from brainbench_alignedcut.plugin import ENCODERS
from memory import memory_features
from safetensors.torch import save_file
from sklearn.metrics import r2_score

from brainbench import DataError, Encoder, Features, FitContext, Fitted, Responses

CARD = next(card for card in ENCODERS if card.name == "alignedcut")
N, TEST = 300, 50
CHANNELS, SIDES = (4, 6), (2, 2)
Problem = tuple[Features, Responses]
MakeProblem = Callable[..., Problem]


def load(**settings: Any) -> Encoder:
    encoder: Encoder = CARD.loader(settings=CARD.resolve_settings({"dim": 12, **settings}))
    return encoder


def fit(problem: Problem, seed: int = 0, **settings: Any) -> AlignedFit:
    fitted = load(**settings).fit(*problem, FitContext(seed, "cpu"))
    assert isinstance(fitted, Fitted)
    assert isinstance(fitted, AlignedFit)
    return fitted


def problem_of(sides: tuple[int, ...] = SIDES, channels: tuple[int, ...] = CHANNELS) -> Problem:
    """Responses linear in the mean of all tokens of layers of unlike width."""
    rng = np.random.default_rng(0)
    local = [rng.normal(3, 2, (N, c, s, s)).astype(np.float32) for s, c in zip(sides, channels, strict=True)]
    local = [tokens + rng.normal(0, 2, (N, tokens.shape[1], 1, 1)).astype(np.float32) for tokens in local]
    glob = [rng.normal(-1, 1, (N, c)).astype(np.float32) for c in channels]
    signal = sum(t.mean(axis=(2, 3)) @ rng.normal(size=(t.shape[1], 10)) for t in local)
    values = np.asarray(signal * 5 + 50, np.float32)
    split = np.repeat(["train", "val", "test"], [200, 50, TEST])
    return memory_features(local, glob), Responses("1", values, np.arange(N), split, "key")


@pytest.fixture(scope="module")
def problem() -> Problem:
    return problem_of()


def test_responses_to_the_mean_of_all_tokens_are_predicted(problem: Problem) -> None:
    features, responses = problem
    fitted = fit(problem, steps=100, eigen=0)
    test = responses.rows("test")
    assert r2_score(responses.values[test], fitted.predict(features, test)) > 0.8
    assert fitted.selectors is None
    assert fitted.notes == ()


def test_the_test_split_is_not_read(problem: Problem) -> None:
    features, responses = problem_of()
    fit((features, responses), steps=5)
    assert features.rows_read == set(range(N - TEST))  # type: ignore[attr-defined]


@pytest.mark.parametrize(("sides", "grid", "side"), [((2, 2), 0, 2), ((2, 3), 0, 14), ((2, 3), 4, 4), ((2, 2), 3, 3)])
def test_a_stored_fit_predicts_the_same(sides: tuple[int, int], grid: int, side: int, tmp_path: Path) -> None:
    features, responses = problem_of(sides)
    fitted = fit((features, responses), steps=30, grid=grid)
    assert fitted.grid == (side, side)
    assert list(fitted.notes) == ([] if sides == (side, side) else [f"local tokens are read on a {side} x {side} grid"])
    save_file(fitted.parameters(), tmp_path / "fit.safetensors")
    again = brainbench_alignedcut.restore(tmp_path / "fit.safetensors", features)
    shown = responses.rows("test")
    assert again.predict(features, shown).tobytes() == fitted.predict(features, shown).tobytes()
    moved = on_grid(features, (side, side))
    assert fitted.predict(moved, shown).tobytes() == fitted.predict(features, shown).tobytes()
    assert {n: t.tolist() for n, t in again.parameters().items()} == {
        n: t.tolist() for n, t in fitted.parameters().items()
    }
    for layer in range(2):
        aligned = again.aligned(features)
        assert aligned is not None
        assert aligned.local_tokens(layer, shown).shape == (TEST, 12, side, side)
        (w,), z = again.model.align.layers[layer : layer + 1], again.reader.layers[layer].scales["global"]
        expected = z.apply(torch.tensor(features.global_tokens(layer, shown))) @ w.detach().T
        np.testing.assert_allclose(aligned.global_tokens(layer, shown), expected, atol=1e-5)
    assert [layer.name for layer in again.reader.layers] == list(features.layers)


def test_what_cannot_be_restored_is_said(problem: Problem, tmp_path: Path) -> None:
    path = tmp_path / "fit.safetensors"
    with pytest.raises(DataError, match=r"fit.safetensors: cannot be read \(.+\); give the .safetensors file beside"):
        brainbench_alignedcut.restore(path, problem[0])
    path.write_bytes(b"no such thing")
    with pytest.raises(DataError, match=r"cannot be read \(.+\)"):
        brainbench_alignedcut.restore(path, problem[0])
    save_file({"model.weight": torch.zeros(3)}, path)
    with pytest.raises(DataError, match="the parameters of another encoder; give those of a fit of alignedcut"):
        brainbench_alignedcut.restore(path, problem[0])
    save_file(fit(problem, steps=5).parameters(), path)
    other = problem_of((2, 2, 2), (4, 6, 6))[0]
    with pytest.raises(
        DataError, match="a fit to 2 layers of 4, 6 channels, these features have 3 of 4, 6, 6; give the features"
    ):
        brainbench_alignedcut.restore(path, other)


def test_every_setting_reaches_the_fit() -> None:
    given = {"steps": 7, "batch_size": 3, "lr": 0.5, "dim": 9, "memory": 2.0}
    encoder: Any = load(**given, eigen=0.3, zero_centre=0.2, covariance=0.1, focal=False, grid=5)
    assert {name: getattr(encoder.recipe, name) for name in given} == given
    terms = encoder.terms
    assert (terms.eigen, terms.zero_centre, terms.covariance, terms.focal) == (0.3, 0.2, 0.1, False)
    assert encoder.side == 5


@pytest.mark.parametrize("name", ["eigen", "zero_centre", "covariance"])
def test_each_term_changes_the_fit(problem: Problem, name: str) -> None:
    on = fit(problem, steps=10).parameters()["model.align.layers.0"]
    off = fit(problem, steps=10, **{name: 0}).parameters()["model.align.layers.0"]
    assert not torch.equal(on, off)


def test_a_stopped_fit_goes_on_to_the_same_bytes(
    problem: Problem, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def bytes_of(folder: Path | None) -> list[bytes]:
        fitted = load(steps=12).fit(*problem, FitContext(0, "cpu", folder=folder))
        return [tensor.numpy().tobytes() for tensor in fitted.parameters().values()]

    steps, real = [], AlignedCutModel.loss

    def interrupted(model: AlignedCutModel, *given: Any) -> torch.Tensor:
        steps.append(1)
        if len(steps) == 7:
            signal.raise_signal(signal.SIGINT)
        return real(model, *given)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    with monkeypatch.context() as patch:
        patch.setattr(AlignedCutModel, "loss", interrupted)
        with pytest.raises(KeyboardInterrupt, match="the fit is kept at step 7 of 12"):
            bytes_of(tmp_path / "fit")
    signal.signal(signal.SIGINT, before)
    assert bytes_of(tmp_path / "fit") == bytes_of(None)


def test_a_single_layer_and_identical_tokens_are_fitted() -> None:
    features, responses = problem_of((3,), (5,))
    assert np.isfinite(fit((features, responses), steps=10).predict(features, np.arange(N))).all()
    same = memory_features([np.full((N, c, 3, 3), 2.0, np.float32) for c in CHANNELS])
    predicted = fit((same, responses), steps=10).predict(same, np.arange(N))
    assert np.isfinite(predicted).all()
    assert np.ptp(predicted, axis=0).max() < 1e-3


def test_few_tokens_are_fitted() -> None:
    """A batch of 12 tokens where 100 nodes are asked for."""
    features, responses = problem_of((1, 1))
    assert np.isfinite(fit((features, responses), steps=10, batch_size=6).predict(features, np.arange(N))).all()


def test_what_is_not_finite_is_named_and_so_is_a_fit_that_diverges(problem: Problem) -> None:
    _, responses = problem
    tokens = [np.ones((N, c, 2, 2), np.float32) for c in CHANNELS]
    tokens[1][3, 0, 0, 0] = np.nan
    with pytest.raises(DataError, match="layer 'block1': the local tokens of the train images hold NaN or infinity"):
        fit((memory_features(tokens), responses), steps=5)
    with pytest.raises(DataError, match="the fit diverged at step .* lower it"):
        fit(problem, steps=20, lr=1e30)


def test_trials_of_one_image_may_differ(problem: Problem) -> None:
    features, responses = problem
    stimulus = np.repeat(np.arange(N), 2)
    values = responses.values[stimulus] + np.tile([[-1.0], [1.0]], (N, 1)).astype(np.float32)
    twice = replace(responses, values=values, stimulus=stimulus, split=responses.split[stimulus])
    assert fit((features, twice), steps=20).predict(features, stimulus).shape == (2 * N, 10)
