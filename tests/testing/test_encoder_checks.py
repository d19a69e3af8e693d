"""For every check of the kit, an encoder that breaks what it is about is named by it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
import torch

from brainbench import EncoderCard, Features, FitContext, Responses, Selectors
from brainbench.testing import ENCODER_CHECKS, ContractError, EncoderCase, EncoderContract


class Fit:
    selectors: Selectors | None = None
    notes: list[Any] = []  # noqa: RUF012 - replaced, never changed

    def __init__(self, weights: np.ndarray) -> None:
        self.weights = weights
        self.history: list[Any] = [{"val_r2": 0.5}]

    def predict(self, features: Features, stimuli: np.ndarray) -> np.ndarray:
        return np.asarray(features.global_tokens(0, stimuli) @ self.weights)

    def parameters(self) -> Mapping[str, Any]:
        return {"weights": torch.from_numpy(self.weights)}


class Good:
    """Least squares; subclasses spoil one thing each."""

    kind: type[Fit] = Fit

    def fit(self, features: Features, responses: Responses, context: FitContext) -> Fit:
        rows = self.rows(responses)
        tokens = features.global_tokens(0, responses.stimulus[rows])
        return self.kind(np.linalg.lstsq(tokens, responses.values[rows], rcond=None)[0])

    def rows(self, responses: Responses) -> np.ndarray:
        return responses.rows("train")


def broken_by(make: Callable[[], Any], selectors: tuple[str, ...] = ()) -> dict[str, str]:
    case = EncoderCase(EncoderCard(name="toyfit", loader=lambda *, settings: make(), selectors=selectors))
    found = {}
    for name, check in ENCODER_CHECKS.items():
        try:
            check(case)
        except ContractError as error:
            found[name] = str(error)
    return found


def fit_as(**changes: Any) -> Callable[[], Good]:
    return type("Spoilt", (Good,), {"kind": type("SpoiltFit", (Fit,), changes)})


def test_a_good_encoder_passes_all() -> None:
    assert broken_by(Good) == {}


class TestClassToken(EncoderContract):
    name = "classtoken"


class TestFactorTopy(EncoderContract):
    name = "factortopy"


def backwards(self: Fit, features: Features, stimuli: np.ndarray) -> np.ndarray:
    return Fit.predict(self, features, np.sort(stimuli))


def transposed(self: Fit, features: Features, stimuli: np.ndarray) -> np.ndarray:
    return Fit.predict(self, features, stimuli).T


class Peeks(Good):
    def rows(self, responses: Responses) -> np.ndarray:
        return np.flatnonzero(np.isfinite(responses.values[:, 0]))


class Draws(Good):
    def fit(self, features: Features, responses: Responses, context: FitContext) -> Fit:
        fit = super().fit(features, responses, context)
        fit.weights = fit.weights + np.random.normal(size=fit.weights.shape)
        return fit


HALF = Selectors(("a", "b", "c"), layer=np.full((9, 3), 0.5, np.float32))
THIRD = Selectors(("a", "b", "c"), layer=np.full((9, 3), 1 / 3, np.float32))


@pytest.mark.parametrize(
    ("make", "check", "message"),
    [
        (fit_as(predict=transposed), "predictions", "predict() gave [9, 10], expected [10, 9]"),
        (fit_as(predict=backwards), "predictions", "asked for in another order"),
        (Draws, "same seed", "a second fit of the same seed differs"),
        (Draws, "quiet", "fitting draws from the global generator of numpy"),
        (Peeks, "test split", "it looked at them"),
        (fit_as(parameters=lambda self: [1]), "parameters", "expected tensors by name"),
        (fit_as(selectors=THIRD), "selectors", "the card names [], the fit has ['layer']"),
        (fit_as(notes=[3]), "history", "expected sentences"),
    ],
)
def test_what_is_broken_is_named(make: Callable[[], Any], check: str, message: str) -> None:
    found = broken_by(make)
    assert message in found[check]


def test_layer_selectors_sum_to_one() -> None:
    assert broken_by(fit_as(selectors=THIRD), selectors=("layer",)) == {}
    assert "rows that sum to 1" in broken_by(fit_as(selectors=HALF), selectors=("layer",))["selectors"]
