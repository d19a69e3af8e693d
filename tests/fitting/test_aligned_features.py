from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from linear import LinearModel, linear_problem

from brainbench import Aligning, EncoderCard, FitContext, Responses
from brainbench.builtin.encoders.cards import CLASSTOKEN, FACTORTOPY, GNETVIT, PATCHTOKEN
from brainbench.fitting import AlignedFeatures, FittedModel, load_training_data

MakeFeatures = Callable[..., Any]
CHANNELS, IMAGES, GRID = (4, 6), 100, (2, 3)


@pytest.fixture
def problem(memory_features: MakeFeatures) -> tuple[Any, Responses]:
    """Local and global tokens of another mean and scale each."""
    rng = np.random.default_rng(0)
    local = [rng.normal(2, 3, (IMAGES, c, *GRID)).astype(np.float32) for c in CHANNELS]
    glob = [rng.normal(-5, 0.5, (IMAGES, c)).astype(np.float32) for c in CHANNELS]
    split = np.repeat(["train", "val", "test"], [60, 20, 20])
    values = rng.normal(size=(IMAGES, 5)).astype(np.float32)
    return memory_features(local, glob), Responses("1", values, np.arange(IMAGES), split, "key")


def fit(card: EncoderCard, problem: tuple[Any, Responses], **settings: Any) -> FittedModel:
    encoder = card.loader(settings=card.resolve_settings({"steps": 3, "dim": 7} | settings))
    fitted = encoder.fit(*problem, FitContext(0, "cpu"))
    assert isinstance(fitted, FittedModel)
    assert isinstance(fitted, Aligning)
    return fitted


def standardised(values: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """[..., C], by the statistics of the train images of ``scale`` [S, ..., C], in float64."""
    train = scale[:60].reshape(-1, scale.shape[-1]).astype(np.float64)
    return np.asarray((values - train.mean(axis=0)) / train.std(axis=0))


@pytest.mark.parametrize(
    ("card", "settings", "local_scale", "global_scale"),
    [
        (CLASSTOKEN, {}, "global", "global"),
        (PATCHTOKEN, {}, "local", "local"),
        (GNETVIT, {}, "local", "local"),
        (FACTORTOPY[1], {}, "local", "global"),
        (FACTORTOPY[1], {"align": "separate"}, "local", "global"),
        (FACTORTOPY[3], {}, "local", "global"),
    ],
    ids=["classtoken", "patchtoken", "gnetvit", "factortopy", "separate", "no-space"],
)
def test_aligned_tokens_are_the_standardised_ones_times_the_layers_matrix(
    problem: tuple[Any, Responses], card: EncoderCard, settings: Any, local_scale: str, global_scale: str
) -> None:
    features, _ = problem
    fitted = fit(card, problem, **settings)
    aligned, parameters = fitted.aligned(features), fitted.parameters()
    assert isinstance(aligned, AlignedFeatures)
    assert (aligned.layers, aligned.grids, aligned.channels, len(aligned)) == (
        features.layers,
        features.grids,
        (7, 7),
        IMAGES,
    )
    rows = np.array([90, 3, 90, 70])
    for layer in range(2):
        local, glob = features.local_tokens(layer).transpose(0, 2, 3, 1), features.global_tokens(layer)
        scales = {"local": local, "global": glob}
        weight = parameters[f"model.align.layers.{layer}"].double().numpy()
        own = parameters.get(f"model.align.globals.{layer}")
        expected = standardised(local, scales[local_scale])[rows] @ weight.T
        found = aligned.local_tokens(layer, rows)
        assert found.shape == (4, 7, *GRID)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found.transpose(0, 2, 3, 1), expected, atol=1e-5)
        expected = standardised(glob, scales[global_scale])[rows] @ (weight if own is None else own.double().numpy()).T
        np.testing.assert_allclose(aligned.global_tokens(layer, rows), expected, atol=1e-5)


def test_recombined_by_hand_they_give_classtokens_predictions(problem: tuple[Any, Responses]) -> None:
    features, _ = problem
    fitted = fit(CLASSTOKEN, problem, steps=30)
    aligned, parameters = fitted.aligned(features), {n: t.double().numpy() for n, t in fitted.parameters().items()}
    assert aligned is not None
    mixture = np.mean([aligned.global_tokens(layer).astype(np.float64) for layer in range(2)], axis=0)
    expected = mixture @ parameters["model.regression.weight"].T + parameters["model.regression.bias"]
    expected = expected * parameters["responses.sd"] + parameters["responses.mean"]
    np.testing.assert_allclose(fitted.predict(features, np.arange(IMAGES)), expected, atol=1e-5)


def test_blocks_and_slices_do_not_show(problem: tuple[Any, Responses]) -> None:
    features, _ = problem
    aligned = fit(GNETVIT, problem).aligned(features)
    assert aligned is not None
    whole = aligned.local_tokens(1)  # in blocks of 64
    np.testing.assert_array_equal(aligned.local_tokens(1, slice(60, 70)), whole[60:70])
    assert aligned.local_tokens(1, np.array([], int)).shape == (0, 7, *GRID)
    assert aligned.global_tokens(0, slice(0, 0)).shape == (0, 7)


def test_the_key_is_that_of_the_tokens_and_the_fit(problem: tuple[Any, Responses]) -> None:
    features, _ = problem
    keys = [fit(CLASSTOKEN, problem, steps=steps).aligned(features).key for steps in (1, 1, 2)]  # type: ignore[union-attr]
    assert keys[0] == keys[1] != keys[2]
    assert keys[0].startswith(features.key)


def test_a_model_without_a_channel_align_has_none(memory_features: MakeFeatures) -> None:
    features, responses = linear_problem(memory_features)
    data = load_training_data(features, responses, ("global",))
    assert FittedModel(LinearModel(), data.reader, data.units, "cpu", []).aligned(features) is None
