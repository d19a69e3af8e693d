"""Every encoder predicts what images carry, and nothing once responses and images no longer belong together."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from brainbench import EncoderCard, Features, FitContext, Responses
from brainbench.builtin.encoders.cards import CLASSTOKEN, FACTORTOPY, GNETVIT, PATCHTOKEN
from brainbench.pipeline.shuffled_features import ShuffledFeatures, wrong_images

IMAGES, VOXELS = 600, 24


@pytest.fixture(scope="module")
def tokens() -> tuple[np.ndarray, np.ndarray]:
    """Local tokens [S, 3, 2, 2] and responses [S, V]: linear in the average over space, half of their variance noise."""
    rng = np.random.default_rng(0)
    local = rng.normal(size=(IMAGES, 3, 2, 2)).astype(np.float32) + rng.normal(size=(IMAGES, 3, 1, 1)).astype(
        np.float32
    )
    signal = local.mean(axis=(2, 3)) @ rng.normal(size=(3, VOXELS))
    values = signal / signal.std(axis=0) + rng.normal(size=(IMAGES, VOXELS))
    return local, values.astype(np.float32)


def r2(predicted: np.ndarray, observed: np.ndarray) -> float:
    return float(np.mean(1 - ((observed - predicted) ** 2).sum(0) / ((observed - observed.mean(0)) ** 2).sum(0)))


@pytest.mark.slow
@pytest.mark.parametrize("card", [FACTORTOPY[0], CLASSTOKEN, PATCHTOKEN, GNETVIT], ids=lambda card: card.name)
def test_shuffled_images_shuffled_voxels_and_a_shift_leave_nothing(
    card: EncoderCard, tokens: tuple[np.ndarray, np.ndarray], memory_features: Callable[..., Features]
) -> None:
    local, values = tokens
    split = np.array(["train", "train", "train", "val", "test"] * (IMAGES // 5))
    coordinates = np.random.default_rng(1).normal(size=(VOXELS, 3)).astype(np.float32)
    responses = Responses("1", values, np.arange(IMAGES), split, "key", coordinates=coordinates)
    features = memory_features([local])
    source = wrong_images([str(image) for image in range(IMAGES)], 0)
    test = responses.rows("test")

    def predicted(given: Features) -> np.ndarray:
        encoder = card.loader(settings=card.resolve_settings({"steps": 200, "dim": 4}))
        return np.asarray(encoder.fit(given, responses, FitContext(0, "cpu")).predict(given, test))

    whole = predicted(features)
    assert r2(whole, values[test]) > 0.2
    assert r2(predicted(ShuffledFeatures(features, source, 0)), values[test]) <= 0.01
    assert r2(np.roll(whole, 1, axis=1), values[test]) <= 0.01
    assert r2(np.roll(whole, 1, axis=0), values[test]) <= 0.01
