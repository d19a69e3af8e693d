"""For every check of the kit, a dataset that breaks what it is about is named by it; a good one passes all."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from brainbench import DatasetCard, Masks, Responses, Selectors, Stimuli, Surface
from brainbench.testing import DATASET_CHECKS, DatasetCase, DatasetContract

COUNT, VOXELS = 20, 4


class Good:
    """Twenty grey images with masks, and two subjects; subclasses spoil one thing each."""

    subjects: Any = ("1", "2")
    version: Any = "1"
    provides: Any = frozenset({"responses", "rois", "coordinates", "masks", "noise_ceiling", "dissimilarities"})

    def stimuli(self, subject: str) -> Stimuli:
        return Stimuli(
            ids=tuple(f"grey-{index}" for index in range(COUNT)),
            digests=tuple(hashlib.sha256(bytes([index])).hexdigest() for index in range(COUNT)),
            open=lambda index: Image.new("RGB", (8, 8), (index, index, index)),
        )

    def responses(self, subject: str) -> Responses | None:
        values = np.random.default_rng(int(subject)).normal(size=(COUNT, VOXELS)).astype(np.float32)
        return Responses(
            subject,
            values,
            np.arange(COUNT),
            np.array((["train"] * 3 + ["val", "test"]) * 4),
            key=hashlib.sha256(values.tobytes()).hexdigest(),
            coordinates=np.zeros((VOXELS, 3), np.float32),
            rois={"V1": np.arange(VOXELS) < 2},
            noise_ceiling=np.full(VOXELS, 0.5),
        )

    def survey(self, subject: str) -> Responses | None:
        found = self.responses(subject)
        return found and replace(found, values=np.full_like(found.values, np.nan), unprepared=found.values.nbytes)

    def masks(self, subject: str) -> Masks | None:
        return Masks(("ground", "figure"), lambda index: np.array([[0, 1, 255]], np.uint8))

    def dissimilarities(self, subject: str) -> np.ndarray | None:
        return np.asarray(1 - np.eye(COUNT))


def card_of(dataset: type) -> DatasetCard:
    return DatasetCard(name="toydata", loader=lambda *, settings, data, cache: dataset())


def broken_by(dataset: type) -> dict[str, str]:
    """The checks that this dataset does not pass, and what they say."""
    case, found = DatasetCase(card_of(dataset)), {}
    for name, check in DATASET_CHECKS.items():
        try:
            check(case)
        except Exception as error:
            found[name] = str(error)
    return found


def test_a_good_dataset_passes_all() -> None:
    assert broken_by(Good) == {}


class TestGood(DatasetContract):
    """The same through pytest, as a plugin's author writes it."""

    @pytest.fixture
    def case(self) -> DatasetCase:
        return DatasetCase(card_of(Good))


def with_responses(**changes: Any) -> type:
    """A dataset whose responses have these fields; of a function, what it makes of the good ones."""

    def responses(self: Any, subject: str) -> Responses:
        found = Good().responses(subject)
        assert found is not None
        made: Mapping[str, Any] = {n: v(found) if callable(v) else v for n, v in changes.items()}
        return replace(found, **made)

    return type("Spoilt", (Good,), {"responses": responses})


def with_stimuli(**changes: Any) -> type:
    return type("Spoilt", (Good,), {"stimuli": lambda self, subject: replace(Good().stimuli(subject), **changes)})


NUMBER = itertools.count()


class Unstable(Good):
    def __init__(self) -> None:
        self.version = str(next(NUMBER))


class OneKey(Good):
    def responses(self, subject: str) -> Responses | None:
        found = super().responses(subject)
        return found and replace(found, key="the same")


class OtherSurvey(Good):
    def survey(self, subject: str) -> Responses | None:
        found = super().survey(subject)
        return found and replace(found, rois={})


class Draws(Good):
    def stimuli(self, subject: str) -> Stimuli:
        np.random.normal()
        return super().stimuli(subject)


class NoMasks(Good):
    def masks(self, subject: str) -> Masks | None:
        return None


class MasksUnsaid(Good):
    provides = Good.provides - {"masks"}


class HighMask(Good):
    def masks(self, subject: str) -> Masks | None:
        return Masks(("ground", "figure"), lambda index: np.array([[0, 2]], np.uint8))


class Lopsided(Good):
    def dissimilarities(self, subject: str) -> np.ndarray | None:
        return np.triu(np.ones((COUNT, COUNT)), 1)


def shuffled(found: Responses) -> np.ndarray:
    """The split, with the first image's second trial on another side."""
    return np.array([*found.split[:-1], "test"])


FLICKER = itertools.count()
SAME = hashlib.sha256(b"same").hexdigest()


@pytest.mark.parametrize(
    ("dataset", "check", "message"),
    [
        (dict, "subjects", r"load\(\) returned dict, expected a Dataset"),
        (type("Spoilt", (Good,), {"subjects": ()}), "subjects", r"subjects \[\]: expected names"),
        (type("Spoilt", (Good,), {"subjects": ("1", "1")}), "subjects", "a name is there twice"),
        (type("Spoilt", (Good,), {"version": 1}), "subjects", "version 1: expected a text"),
        (type("Spoilt", (Good,), {"provides": {"response"}}), "subjects", "provides response; allowed are responses"),
        (NoMasks, "provides", "provides masks, but no subject has it"),
        (MasksUnsaid, "provides", "has masks, which provides does not say"),
        (with_stimuli(ids=("a",) * COUNT), "stimuli", "stimulus ids are not unique"),
        (with_stimuli(digests=("abc",) * COUNT), "stimuli", "digest .* is not a sha256"),
        (with_stimuli(digests=(SAME,) * 3), "stimuli", "3 digests for 20 stimuli"),
        (with_stimuli(open=lambda index: Image.new("L", (8, 8))), "stimuli", "returned mode L, expected RGB"),
        (
            with_stimuli(open=lambda index: Image.new("RGB", (8, 8), (next(FLICKER) % 200, 0, 0))),
            "stimuli",
            "returned other pixels the second time",
        ),
        (with_stimuli(unmeasured=(COUNT,)), "stimuli", "unmeasured is out of range"),
        (with_responses(values=lambda f: f.values.astype(np.float64)), "responses", "are float64, expected float32"),
        (with_responses(values=lambda f: f.values * np.float32("nan")), "responses", "values are NaN or infinite"),
        (with_responses(stimulus=np.arange(COUNT) + 1), "responses", "stimulus is not the row of an image"),
        (with_responses(split=np.array(["train"] * COUNT)), "split", r"splits \['train'\], expected train, val, test"),
        (with_responses(stimulus=np.arange(COUNT) // 2), "split", "images are in train and in val"),
        (with_stimuli(digests=(SAME,) * COUNT), "split", "1 images are in train and in val"),
        (with_responses(coordinates=np.zeros((3, 3))), "voxels", r"coordinates is \[3, 3\], expected \[4, 3\]"),
        (with_responses(rois={"V1": np.ones(3, bool)}), "voxels", r"rois\['V1'\] is \[3\], expected \[4\]"),
        (with_responses(rois={"V1": np.ones(4)}), "voxels", "is not a bool mask"),
        (with_responses(noise_ceiling=np.full(4, 60.0)), "voxels", "noise ceiling goes from 60 to 60, not 0 to 1"),
        (
            with_responses(surface=Surface("fsaverage5", np.array(["left"] * 3), np.arange(4))),
            "voxels",
            r"surface.hemisphere is \[3\], expected \[4\]",
        ),
        (OtherSurvey, "survey", "survey\\(\\) says another rois than responses"),
        (Unstable, "keys", "another version when opened again"),
        (OneKey, "keys", "subject 2: the key of other responses"),
        (with_responses(key=lambda f: str(next(NUMBER))), "keys", "another key when opened again"),
        (HighMask, "masks", "class 2 of 2, counted from 0"),
        (Lopsided, "dissimilarities", "are not symmetric"),
        (Draws, "quiet", "draws from the global generator of numpy"),
    ],
)
def test_a_broken_dataset_is_named(dataset: type, check: str, message: str) -> None:
    found = broken_by(dataset)
    assert check in found
    with pytest.raises(AssertionError, match=message):
        raise AssertionError(found[check])


def test_the_truth_of_a_survey_is_compared_too() -> None:
    truth = Selectors(("a",), layer=np.ones((VOXELS, 1)))
    other = replace(truth, layer=np.zeros((VOXELS, 1)))
    first = with_responses(truth=truth)
    survey = {"survey": lambda self, subject: replace(self.responses(subject), truth=other)}
    assert "says another truth" in broken_by(type("Spoilt", (first,), survey))["survey"]
    assert "survey" not in broken_by(first)


def test_a_dataset_that_needs_a_folder_is_made_or_named(tmp_path: Path) -> None:
    def load(*, settings: Mapping[str, Any], data: Path, cache: Path) -> Any:
        assert (data / "file").exists()
        return Good()

    card = DatasetCard(name="toydata", loader=load, needs_data=True)
    with pytest.raises(AssertionError, match="needs a folder, and the card has no maker"):
        DatasetCase(card).open()
    (tmp_path / "file").touch()
    DatasetCase(card, data=tmp_path).open()
    made = replace(card, maker=lambda *, folder, settings: (folder / "file").touch())
    DatasetCase(made).open()
