"""Stimuli without responses are predicted too."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import numpy as np
import toy
from PIL import Image

from brainbench import Responses, Stimuli
from brainbench.records import Record
from brainbench.results.arrays import read_arrays
from brainbench.util.folders import Folders

Runs = Callable[..., list[Record]]


class Partly(toy.ToyData):
    """The last two images of a hundred and two were shown to nobody."""

    unmeasured: tuple[int, ...] = (100, 101)

    def stimuli(self, subject: str) -> Stimuli:
        images = toy.pictures(102)
        shown = super().stimuli(subject)
        more = tuple(hashlib.sha256(image.tobytes()).hexdigest() for image in images[100:])
        ids = (*shown.ids, "new a", "new b")
        return Stimuli(ids, shown.digests + more, lambda i: Image.fromarray(images[i]), unmeasured=self.unmeasured)


def test_stimuli_without_responses_are_predicted_too(runs: Runs, folders: Folders) -> None:
    (_, fitted) = runs(toy.registry(datasets=[toy.dataset(Partly())]), subjects="1")
    found = read_arrays(folders.results, fitted)
    assert found is not None
    arrays, attributes = found
    assert attributes["unmeasured_ids"] == ["new a", "new b"]
    assert (arrays["unmeasured"].shape, arrays["unmeasured"].dtype) == ((2, 6), np.float32)
    # The toy brain's responses are linear in mean colour, and nearly without noise.
    colours = toy.pictures(102).mean(axis=(1, 2)) / 255
    expected = colours[100:] @ np.random.default_rng(1).normal(size=(3, 6))
    np.testing.assert_allclose(arrays["unmeasured"], expected, atol=0.01)
    # Nobody measured them, so no figure knows of them.
    assert len(arrays["predictions"]) == fitted.dataset.split_sizes["test"] == 20
    # Scored anew, they stay.
    (_, again) = runs(toy.registry(datasets=[toy.dataset(Partly())]), subjects="1", settings=("r2.bonus=1",))
    found = read_arrays(folders.results, again)
    assert found is not None
    assert np.array_equal(found[0]["unmeasured"], arrays["unmeasured"])


def test_other_unmeasured_stimuli_are_another_job_and_none_leave_no_trace(runs: Runs, folders: Folders) -> None:
    fewer = Partly()
    fewer.unmeasured = (101,)
    keys, shapes = set(), []
    for data in (Partly(), fewer):
        record = runs(toy.registry(datasets=[toy.dataset(data)]), subjects="1")[-1]
        keys.add(record.key)
        shapes.append(read_arrays(folders.results, record)[0]["unmeasured"].shape)  # type: ignore[index]
    assert len(keys) == 2
    assert shapes == [(2, 6), (1, 6)]
    found = read_arrays(folders.results, runs(subjects="1")[-1])
    assert found is not None
    assert "unmeasured" not in found[0]
    assert "unmeasured_ids" not in found[1]


class BlindTo100(toy.ToyEncoder):
    """Predicts NaN for the stimuli that nobody was shown."""

    def fit(self, features: Any, responses: Responses, context: Any) -> Any:
        fitted = super().fit(features, responses, context)
        predict = fitted.predict
        fitted.predict = lambda features, rows: np.where(rows[:, None] < 100, predict(features, rows), np.nan)  # type: ignore[method-assign]
        return fitted


def test_predictions_of_unmeasured_stimuli_are_checked_as_the_others_are(runs: Runs) -> None:
    registry = toy.registry(encoders=[toy.encoder(make=BlindTo100)], datasets=[toy.dataset(Partly())])
    record = runs(registry, subjects="1")[-1]
    assert record.failure is not None
    assert "predict() gave NaN or infinite values" in record.failure.message
