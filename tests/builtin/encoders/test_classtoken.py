from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import r2_score

from brainbench import Encoder, FitContext, Fitted, Responses
from brainbench.builtin.encoders.cards import CLASSTOKEN
from brainbench.builtin.encoders.classtoken import ClassTokenModel
from brainbench.fitting import FAST

MakeFeatures = Callable[..., Any]
CONTEXT = FitContext(0, "cpu")


@pytest.fixture
def problem(memory_features: MakeFeatures) -> tuple[Any, Responses]:
    """Responses linear in the global tokens of two layers of unequal width."""
    rng = np.random.default_rng(0)
    local = [np.zeros((300, c, 2, 2), np.float32) for c in (4, 6)]
    glob = [rng.normal(3, 2, (300, c)).astype(np.float32) for c in (4, 6)]
    values = sum(g @ rng.normal(size=(g.shape[1], 10)) for g in glob) * 5 + 50
    split = np.repeat(["train", "val", "test"], [200, 50, 50])
    return memory_features(local, glob), Responses("1", np.asarray(values, np.float32), np.arange(300), split, "key")


def load(**settings: Any) -> Encoder:
    encoder: Encoder = CLASSTOKEN.loader(settings=CLASSTOKEN.resolve_settings(settings))
    return encoder


def test_linear_responses_are_predicted(problem: tuple[Any, Responses]) -> None:
    features, responses = problem
    fitted = load(steps=400).fit(features, responses, CONTEXT)
    test = responses.rows("test")
    assert r2_score(responses.values[test], fitted.predict(features, test)) > 0.95
    assert isinstance(fitted, Fitted)
    assert fitted.selectors is None
    assert features.reads == [0, 0]


def test_model_is_the_mean_of_aligned_layers_then_a_regression() -> None:
    generator = torch.Generator().manual_seed(0)
    model = ClassTokenModel((4, 6), 10, FAST, generator)
    tokens = [torch.randn(3, 1, c, generator=generator) for c in (4, 6)]
    first, second = model.align.layers
    v = (tokens[0][:, 0] @ first.T + tokens[1][:, 0] @ second.T) / 2
    torch.testing.assert_close(model(tokens), v @ model.regression.weight.T + model.regression.bias)


def test_same_seed_same_bytes(problem: tuple[Any, Responses]) -> None:
    def bytes_of(seed: int) -> list[bytes]:
        fitted = load(steps=20).fit(*problem, FitContext(seed, "cpu"))
        return [tensor.numpy().tobytes() for tensor in fitted.parameters().values()]

    assert bytes_of(3) == bytes_of(3) != bytes_of(4)
