"""Encoders whose voxels read one vector: the regressions in closed form, given what was learned."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from ridges import explicit

from brainbench import Encoder, FitContext, Responses
from brainbench.fitting import SharedModel
from brainbench.fitting.closed_form import image_folds
from brainbench.registry import installed

MakeFeatures = Callable[..., Any]
NAMES = ("classtoken", "patchtoken", "alignedcut")
IMAGES, CHANNELS = 150, (5, 9)
SIDE_BY_SIDE = "voxels read the layers side by side, which predicts the val split better than their mean"


def problem(make: MakeFeatures, shared: int) -> tuple[Any, Responses]:
    """Repeated images; voxels read ``shared`` channels of a mixture of both layers."""
    rng = np.random.default_rng(0)
    local = [rng.normal(size=(IMAGES, c, 2, 3)).astype(np.float32) for c in CHANNELS]
    glob = [t.mean(axis=(2, 3)) for t in local]
    mixed = sum(g @ rng.normal(size=(g.shape[1], shared)) / g.std() for g in glob)
    signal = np.asarray(mixed) @ rng.normal(size=(shared, 40))
    stimulus = rng.permutation(np.repeat(np.arange(IMAGES), 2))
    values = signal[stimulus] + signal.std() * rng.normal(size=(len(stimulus), 40))
    split = np.array(["train", "train", "train", "val", "test"])[stimulus % 5]
    return make(local, glob), Responses("1", (values * 4 + 9).astype(np.float32), stimulus, split, "key")


def load(name: str, **settings: Any) -> Encoder:
    card = installed().encoders.get(name).card
    encoder: Encoder = card.loader(settings=card.resolve_settings({"steps": 40, "dim": 4, **settings}))
    return encoder


@pytest.mark.parametrize("name", NAMES)
def test_predictions_are_those_of_explicit_ridges(name: str, memory_features: MakeFeatures) -> None:
    features, responses = problem(memory_features, shared=12)
    fitted: Any = load(name).fit(features, responses, FitContext(0, "cpu"))
    model: SharedModel = fitted.model
    rows = np.flatnonzero(responses.split != "test")
    images, shown, trials = np.unique(responses.stimulus[rows], return_inverse=True, return_counts=True)
    apart = SIDE_BY_SIDE in fitted.notes
    assert apart is (model.apart is not None)

    def read(stimuli: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            tokens = fitted.reader.read(features, stimuli)
            found = model.side_by_side(tokens) if apart else model.vector(tokens)
        assert found is not None
        return found.double().numpy()

    # In standard deviations, as a fit has them: penalties are the same, and rounding is of that size.
    units = fitted.units
    values = np.stack([responses.values[rows][shown == i].mean(axis=0) for i in range(len(images))])
    y = ((values - units.mean.numpy()) / units.sd.numpy()).astype(np.float64)
    weights, constant, _ = explicit(read(images), y, trials, image_folds(len(images), 0))
    test = np.unique(responses.stimulus[responses.rows("test")])
    ours = (fitted.predict(features, test) - units.mean.numpy()) / units.sd.numpy()
    np.testing.assert_allclose(ours, read(test) @ weights.T + constant, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_channels_gradient_keeps_what_was_learned(name: str, memory_features: MakeFeatures) -> None:
    features, responses = problem(memory_features, shared=2)
    closed, gradient = (
        load(name, channels=kind).fit(features, responses, FitContext(0, "cpu")).parameters()
        for kind in ("closed", "gradient")
    )
    torch.testing.assert_close(closed["model.align.layers.0"], gradient["model.align.layers.0"], rtol=0, atol=0)
    assert "model.apart.weight" not in gradient
    assert "model.apart.weight" in closed or not torch.equal(
        closed["model.regression.weight"], gradient["model.regression.weight"]
    )


@pytest.mark.parametrize("name", ["classtoken", "patchtoken"])
def test_what_predicts_is_chosen_on_val_and_restored(name: str, memory_features: MakeFeatures) -> None:
    # A vector of one channel cannot hold what voxels read; one of four holds the one channel that they share.
    for shared, dim, apart in ((12, 1, True), (1, 4, False)):
        features, responses = problem(memory_features, shared)
        encoder: Any = load(name, dim=dim, steps=150)
        fitted = encoder.fit(features, responses, FitContext(0, "cpu"))
        if name == "classtoken":
            assert (SIDE_BY_SIDE in fitted.notes) is apart
        test = responses.stimulus[responses.rows("test")]
        back = encoder.restore(fitted.parameters(), features, "cpu")
        np.testing.assert_array_equal(back.predict(features, test), fitted.predict(features, test))


def test_the_paper_s_recipe_learns_its_regressions(memory_features: MakeFeatures) -> None:
    features, responses = problem(memory_features, shared=2)
    for name in ("classtoken", "patchtoken"):
        encoder: Any = load(name, recipe="paper")
        assert not encoder.closed
        assert load(name).closed  # type: ignore[attr-defined]
    assert "model.apart.weight" not in encoder.fit(features, responses, FitContext(0, "cpu")).parameters()
