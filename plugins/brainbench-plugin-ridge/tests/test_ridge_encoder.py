from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import memory
import numpy as np
import pytest
from brainbench_ridge.kernels import folds
from brainbench_ridge.plugin import CARDS
from brainbench_ridge.solve import ALPHAS
from himalaya.backend import get_backend, set_backend
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler

from brainbench import DataError, Encoder, Features, FitContext, Fitted, Responses

MakeFeatures = Callable[..., Features]
CARD = {card.name: card for card in CARDS}
N, TEST = 120, 20


def load(name: str, **settings: Any) -> Any:
    encoder = CARD[name].loader(settings=CARD[name].resolve_settings({"pool": 2, **settings}))
    assert isinstance(encoder, Encoder)
    return encoder


@pytest.fixture
def memory_features() -> MakeFeatures:
    return memory.memory_features


@pytest.fixture
def problem(memory_features: MakeFeatures) -> tuple[Features, Responses]:
    """Voxels 0-3 read the first layer, 4-7 the last of three."""
    rng = np.random.default_rng(0)
    layers = [rng.normal(3, 2, (N, 4, 2, 2)).astype(np.float32) for _ in range(3)]
    signal = np.concatenate([layers[i].reshape(N, -1) @ rng.normal(size=(16, 4)) for i in (0, 2)], axis=1)
    values = (signal + 0.5 * signal.std() * rng.normal(size=signal.shape)).astype(np.float32)
    split = np.repeat(["train", "val", "test"], [80, 20, TEST])
    return memory_features(layers), Responses("1", values, np.arange(N), split, "key")


def fit(name: str, problem: tuple[Features, Responses], **settings: Any) -> Any:
    fitted = load(name, **settings).fit(*problem, FitContext(0, "cpu"))
    assert isinstance(fitted, Fitted)
    return fitted


@pytest.mark.slow
def test_joint_ridge_is_sklearns_with_the_penalty_that_cross_validates_best(
    problem: tuple[Features, Responses],
) -> None:
    features, responses = problem
    x = np.concatenate(
        [StandardScaler().fit(t[:100]).transform(t) / 4 for t in (features.local_tokens(i).reshape(N, -1) for i in range(3))],
        axis=1,
    ) / np.sqrt(3)  # fmt: skip
    y = StandardScaler().fit(responses.values[:100]).transform(responses.values)
    expected = np.empty((TEST, 8))
    for voxel in range(8):
        loss = {
            alpha: np.mean([
                np.square(y[look, voxel] - Ridge(alpha, fit_intercept=False).fit(x[a], y[a, voxel]).predict(x[look])).mean()
                for a, look in folds(100, 5, 0)
            ])
            for alpha in ALPHAS
        }  # fmt: skip
        best = Ridge(min(loss, key=loss.__getitem__), fit_intercept=False).fit(x[:100], y[:100, voxel])
        expected[:, voxel] = best.predict(x[100:])
    measured = fit("ridge", problem).predict(features, np.arange(100, N))
    scaled = (measured - responses.values[:100].mean(0)) / responses.values[:100].std(0)
    np.testing.assert_allclose(scaled, expected, atol=2e-3)


@pytest.mark.parametrize("name", ["ridge/best-layer", "ridge/banded"])
def test_voxels_are_given_to_the_layer_they_read(name: str, problem: tuple[Features, Responses]) -> None:
    selectors = fit(name, problem).selectors
    assert selectors.layer.shape == (8, 3)
    np.testing.assert_allclose(selectors.layer.sum(axis=1), 1, rtol=1e-5)
    assert selectors.layer.argmax(axis=1).tolist() == [0] * 4 + [2] * 4
    if name == "ridge/best-layer":
        assert set(np.unique(selectors.layer)) == {0, 1}


@pytest.mark.parametrize("name", CARD)
def test_it_predicts_and_the_test_split_is_not_read(name: str, problem: tuple[Any, Responses]) -> None:
    features, responses = problem
    fitted = fit(name, problem)
    assert features.rows_read == set(range(100))
    predicted = fitted.predict(features, np.arange(100, N))
    assert np.corrcoef(predicted.ravel(), responses.values[100:].ravel())[0, 1] > 0.75
    assert (fitted.selectors is not None) == ("layer" in CARD[name].selectors)


@pytest.mark.parametrize("name", CARD)
def test_parameters_are_enough_to_predict_again(name: str, problem: tuple[Features, Responses]) -> None:
    features, _ = problem
    fitted = fit(name, problem)
    p = {key: tensor.numpy() for key, tensor in fitted.parameters().items()}
    total = np.zeros((TEST, 8))
    for layer in range(3):
        x = (features.local_tokens(layer).reshape(N, -1) - p[f"tokens.{layer}.mean"]) / p[f"tokens.{layer}.sd"] / 4
        total += x[100:] @ x[p["images"]].T @ (p["weights"] * p["bands"][layer])
    again = total * p["responses.sd"] + p["responses.mean"]
    np.testing.assert_allclose(fitted.predict(features, np.arange(100, N)), again, rtol=0, atol=5e-5)


@pytest.mark.parametrize("name", CARD)
def test_same_seed_same_bytes_and_the_backend_is_put_back(name: str, problem: tuple[Features, Responses]) -> None:
    set_backend("torch")
    try:
        first, second = (fit(name, problem).predict(problem[0], np.arange(100, N)).tobytes() for _ in range(2))
        assert get_backend().name == "torch"
    finally:
        set_backend("numpy")
    assert first == second


def test_folds_share_the_images_out_at_random() -> None:
    parts = folds(20, 4, 0)
    assert sorted(np.concatenate([look for _, look in parts]).tolist()) == list(range(20))
    assert all(sorted([*a, *look]) == list(range(20)) for a, look in parts)
    looks = [look.tolist() for _, look in parts]
    assert looks != [look.tolist() for _, look in folds(20, 4, 1)]
    assert looks != [list(range(start, start + 5)) for start in range(0, 20, 5)]
    with pytest.raises(DataError, match="20 train and val images are too few for 30 folds"):
        folds(20, 30, 0)


@pytest.mark.slow
def test_repeats_are_fitted_as_trials(problem: tuple[Features, Responses]) -> None:
    """One to three trials an image, mixed up: sklearn's ridge on the trials, folds of whole images."""
    features, responses = problem
    rng = np.random.default_rng(1)
    stimulus = rng.permutation(np.repeat(np.arange(N), rng.integers(1, 4, N)))
    values = responses.values[stimulus] + rng.normal(0, 3, (len(stimulus), 8)).astype(np.float32)
    fitted = fit("ridge", (features, Responses("1", values, stimulus, responses.split[stimulus], "key")))
    train = stimulus < 100
    seen = stimulus[train]
    x = [
        StandardScaler().fit(t[seen]).transform(t) / 4
        for t in (features.local_tokens(i).reshape(N, -1) for i in range(3))
    ]
    x, y = np.concatenate(x, axis=1) / np.sqrt(3), StandardScaler().fit_transform(values[train])
    images, expected = x[100:], np.empty((TEST, 8))
    for voxel in range(8):
        loss = {
            alpha: sum(
                np.square(y[b, voxel] - Ridge(alpha, fit_intercept=False).fit(x[seen[a]], y[a, voxel]).predict(x[seen[b]])).sum()
                for a, b in ((np.isin(seen, out), np.isin(seen, look)) for out, look in folds(100, 5, 0))
            )
            for alpha in ALPHAS
        }  # fmt: skip
        best = Ridge(min(loss, key=loss.__getitem__), fit_intercept=False).fit(x[seen], y[:, voxel])
        expected[:, voxel] = best.predict(images)
    measured = (fitted.predict(features, np.arange(100, N)) - values[train].mean(0)) / values[train].std(0)
    np.testing.assert_allclose(measured, expected, atol=2e-3)


def test_what_is_not_finite_is_named(problem: tuple[Features, Responses], memory_features: MakeFeatures) -> None:
    features, responses = problem
    broken = responses.values.copy()
    broken[3, 5] = np.nan
    with pytest.raises(DataError, match="1 of 8 voxels hold NaN or infinity .*voxel 5"):
        fit("ridge", (features, replace(responses, values=broken)))
    tokens = [features.local_tokens(i).copy() for i in range(3)]
    tokens[1][0, 0, 0, 0] = np.inf
    with pytest.raises(DataError, match="layer 'block1': the local tokens"):
        fit("ridge", (memory_features(tokens), responses))


def test_constant_tokens_and_voxels_do_no_harm(
    problem: tuple[Features, Responses], memory_features: MakeFeatures
) -> None:
    features, responses = problem
    tokens = [features.local_tokens(i).copy() for i in range(3)]
    tokens[0][:, 1] = 4
    values = responses.values.copy()
    values[:, 2] = 7
    fitted = fit("ridge/banded", (memory_features(tokens), replace(responses, values=values)), draws=5)
    predicted = fitted.predict(memory_features(tokens), np.arange(100, N))
    assert np.isfinite(predicted).all()
    np.testing.assert_allclose(predicted[:, 2], 7)
    np.testing.assert_allclose(fitted.selectors.layer.sum(axis=1), 1, rtol=1e-5)


def test_the_plugin_is_light() -> None:
    code = "import sys, brainbench_ridge.plugin; sys.exit(bool({'torch', 'himalaya', 'numpy'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("name", CARD)
def test_blocks_do_not_show(name: str, problem: tuple[Features, Responses], monkeypatch: pytest.MonkeyPatch) -> None:
    features, responses = problem
    stimulus = np.repeat(np.arange(N), [1, 2, 3, 2] * (N // 4))
    responses = Responses("1", responses.values[stimulus], stimulus, responses.split[stimulus], "key")
    few: dict[str, Any] = {"draws": 5} if name == "ridge/banded" else {}
    whole = fit(name, (features, responses), **few)
    monkeypatch.setattr("brainbench_ridge.kernels.BLOCK", 16 * 7)
    monkeypatch.setattr("brainbench_ridge.kernels._CHUNK", 3)
    monkeypatch.setattr("brainbench_ridge.responses._BLOCK", 8 * 11)
    monkeypatch.setattr("brainbench_ridge.encoder._VOXELS", 3)
    blocks = fit(name, (features, responses), **few)
    asked = np.arange(90, N)
    np.testing.assert_allclose(blocks.predict(features, asked), whole.predict(features, asked), rtol=0, atol=5e-4)
    np.testing.assert_allclose(blocks.layers[1].sd, whole.layers[1].sd, rtol=1e-6)
    np.testing.assert_allclose(blocks.mean, responses.values[responses.split != "test"].mean(axis=0), rtol=1e-5)


def test_parameters_of_other_layers_are_told(problem: tuple[Features, Responses]) -> None:
    parameters = fit("ridge", problem).parameters()
    with pytest.raises(DataError, match="not those of a ridge on 3 layers of 4, 4, 4 channels pooled to 1 x 1"):
        load("ridge", pool=1).restore(parameters, problem[0], "cpu")


def test_the_estimate_grows_with_responses_and_kernels_and_not_with_layers() -> None:
    sizes = {"images": 9000, "test": 1000, "voxels": 38_000, "layers": 12, "channels": 768, "settings": {}}
    of = {name: card.memory for name, card in CARD.items()}
    assert all(memory is not None for memory in of.values())
    joint = of["ridge"]
    assert joint is not None
    assert joint(**sizes) < 6e9
    assert joint(**sizes) == joint(**{**sizes, "layers": 48, "channels": 1024})
    assert joint(**sizes) > 4 * 9000 * 38_000 + 4 * 9000**2
