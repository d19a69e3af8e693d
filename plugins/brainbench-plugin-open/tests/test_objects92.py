from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from brainbench_open import objects92
from brainbench_open.plugin import OBJECTS92
from scipy.io import savemat

from brainbench import DataError, RemoteFile, UsageError
from brainbench.testing import DATASET_CHECKS, DatasetCase

COUNT = 8


def photograph(index: int) -> np.ndarray:
    """A square with a hole of the ground's grey, which does not touch the border."""
    pixels = np.full((20, 20, 3), objects92.GROUND, np.uint8)
    pixels[4:16, 4 : 10 + index] = np.random.default_rng(index).integers(0, 100, 3)
    pixels[8:10, 6:8] = objects92.GROUND
    return pixels


def write(folder: Path) -> dict[str, np.ndarray]:
    """The two files, with two sessions of subjects BE and KO; their mean dissimilarities."""
    images = np.empty((1, COUNT), [("category", object), ("image", object)])
    for index in range(COUNT):
        images[0, index] = ("thing", photograph(index))
    savemat(folder / objects92.PHOTOGRAPHS, {"stimuli_92objs": images})
    matrices = np.empty((1, 2, 2), [("RDM", object), ("name", object)])
    expected: dict[str, np.ndarray] = {}
    for number, subject in enumerate(("BE", "KO")):
        made = []
        for session in (0, 1):
            half = np.triu(np.random.default_rng(2 * number + session).random((COUNT, COUNT)), 1)
            made.append(half + half.T)
            matrices[0, number, session] = (made[-1], f"hIT | {subject} | Session: {session + 1}")
        expected[subject] = (made[0] + made[1]) / 2
    savemat(folder / objects92.DISSIMILARITIES, {"RDMs": matrices})
    return expected


@pytest.fixture
def expected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, np.ndarray]:
    made = write(tmp_path)
    files = [RemoteFile(path.name, "", "", path.stat().st_size) for path in sorted(tmp_path.glob("*.mat"))]
    monkeypatch.setattr(objects92, "OBJECTS92", replace(OBJECTS92, downloads=tuple(files)))
    return made


def opened(folder: Path) -> objects92.Objects92:
    return objects92.load(settings={}, data=folder, cache=folder / "cache")


@pytest.mark.usefixtures("expected")
@pytest.mark.parametrize("check", DATASET_CHECKS.values(), ids=list(DATASET_CHECKS))
def test_contract(check: Callable[[DatasetCase], str], tmp_path: Path) -> None:
    check(DatasetCase(objects92.OBJECTS92, data=tmp_path))


def test_subjects_are_means_of_their_sessions(expected: dict[str, np.ndarray], tmp_path: Path) -> None:
    dataset = opened(tmp_path)
    assert tuple(dataset.subjects) == ("BE", "KO")
    for subject, matrix in expected.items():
        np.testing.assert_allclose(dataset.dissimilarities(subject), matrix)
    assert np.array_equal(np.asarray(dataset.stimuli("KO").open(3)), photograph(3))
    assert dataset.stimuli("KO").key == dataset.stimuli("BE").key
    with pytest.raises(UsageError, match="no subject 'BEE' .*; there are BE, KO"):
        dataset.stimuli("BEE")


def test_the_ground_is_the_grey_at_the_border() -> None:
    expected = np.zeros((20, 20), np.uint8)
    expected[4:16, 4:12] = 1
    np.testing.assert_array_equal(objects92.figure(photograph(2)), expected)
    touching = photograph(2)
    touching[8:10, 0:12] = objects92.GROUND
    assert not objects92.figure(touching)[8:10].any()


@pytest.mark.usefixtures("expected")
def test_another_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / objects92.DISSIMILARITIES
    path.write_bytes(bytes(path.stat().st_size))
    with pytest.raises(
        DataError, match=r"92_brainRDMs\.mat is damaged or another file .*; delete it and `brainbench data"
    ):
        opened(tmp_path)
    savemat(path, {"other": np.zeros(3)})
    with pytest.raises(DataError, match=r"92_brainRDMs\.mat is damaged or another file"):
        objects92.read_dissimilarities(path)
