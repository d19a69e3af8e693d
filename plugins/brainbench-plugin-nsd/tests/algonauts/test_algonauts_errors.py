from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from brainbench import DataError, UsageError

Load = Callable[..., Any]
Spoil = Callable[[Path], Any]
FMRI = "training_split/training_fmri/{}_training_fmri.npy"
IMAGES = "training_split/training_images"


def saved(to: str, change: Callable[[np.ndarray], Any]) -> Spoil:
    return lambda subject: np.save(subject / to, change(np.load(subject / to)))


def removed(name: str) -> Spoil:
    return lambda subject: (subject / name).unlink()


def cut(name: str, size: int) -> Spoil:
    return lambda subject: (subject / name).write_bytes((subject / name).read_bytes()[:size])


def image(subject: Path, number: int) -> Path:
    return next((subject / IMAGES).glob(f"train-{number:04}_*"))


def first(value: int) -> Callable[[np.ndarray], np.ndarray]:
    """The first vertex gets this number."""
    return lambda numbers: np.concatenate([[value], numbers[1:]]).astype(numbers.dtype)


def fewer_marks(marks: np.ndarray) -> np.ndarray:
    marks[np.flatnonzero(marks)[0]] = 0
    return marks


def empty(subject: Path) -> None:
    shutil.rmtree(subject)
    subject.mkdir()


SPOILS: dict[str, tuple[Spoil, str]] = {
    "left side missing": (
        removed(FMRI.format("lh")),
        r"no .*lh_training_fmri\.npy: the left hemisphere's responses are missing; unpack",
    ),
    "right side missing": (removed(FMRI.format("rh")), r"no .*rh_training_fmri\.npy: the right hemisphere's responses"),
    "truncated": (cut(FMRI.format("rh"), 5000), r"rh_training_fmri\.npy is truncated: 4872 of 49200 bytes"),
    "no npy": (cut(FMRI.format("rh"), 4), r"rh_training_fmri\.npy is not a readable \.npy file"),
    "float64": (
        saved(FMRI.format("lh"), lambda a: a.astype(float)),
        r"lh_training_fmri\.npy is float64 in C order, expected float32 in C order; convert it once: numpy\.save\(PATH",
    ),
    "Fortran order": (
        saved(FMRI.format("lh"), np.asfortranarray),
        r"is float32 in Fortran order, expected float32 in C order; convert it once",
    ),
    "three axes": (saved(FMRI.format("lh"), lambda a: a[None]), r"shape \(1, 60, 190\), expected two axes: images x"),
    "fewer rows": (
        saved(FMRI.format("rh"), lambda a: a[:-1]),
        r"rh_training_fmri\.npy has 59 rows, but there are 60 images in .*training_images: one row an image",
    ),
    "image missing in the middle": (
        lambda s: image(s, 31).unlink(),
        r"training_images: image train-0031 is missing \(1 of 60 are\)",
    ),
    "last image missing": (lambda s: image(s, 60).unlink(), r"has 60 rows, but there are 59 images"),
    "image damaged": (
        lambda s: image(s, 5).write_bytes(image(s, 5).read_bytes()[:60]),
        r"image .*train-0005_nsd-\d+\.png cannot be decoded",
    ),
    "empty subject": (empty, r"no folder .*subj01/training_split/training_images: it must hold the images"),
    "no all-vertices": (
        removed("roi_masks/lh.all-vertices_fsaverage_space.npy"),
        r"lh\.all-vertices_fsaverage_space\.npy cannot be read: No such file",
    ),
    "fewer vertices marked": (
        saved("roi_masks/rh.all-vertices_fsaverage_space.npy", fewer_marks),
        r"rh\.all-vertices_fsaverage_space\.npy marks 204 vertices, but rh_training_fmri\.npy has 205: they are of diff",
    ),
    "another mesh": (
        saved("roi_masks/rh.all-vertices_fsaverage_space.npy", lambda a: a[:10242]),
        r"has shape \(10242,\), expected \(163842,\): a one for every vertex of fsaverage, right side",
    ),
    "mask of another subject": (
        saved("roi_masks/lh.floc-bodies_challenge_space.npy", lambda a: a[:-3]),
        r"lh\.floc-bodies_challenge_space\.npy has shape \(187,\), but there are responses of 190 vertices: it is of ano",
    ),
    "mask of another subject, as long": (
        saved("roi_masks/lh.streams_challenge_space.npy", lambda a: a[::-1]),
        r"lh\.streams_challenge_space\.npy and lh\.streams_fsaverage_space\.npy differ at \d+ of 190 vertices: one is of",
    ),
    "fsaverage mask of another mesh": (
        saved("roi_masks/rh.streams_fsaverage_space.npy", lambda a: a[:-1]),
        r"rh\.streams_fsaverage_space\.npy has shape \(163841,\), expected \(163842,\): a number for every vertex",
    ),
    "mapping missing": (
        removed("roi_masks/mapping_floc-faces.npy"),
        r"mapping_floc-faces\.npy cannot be read: No such",
    ),
    "mapping damaged": (cut("roi_masks/mapping_floc-faces.npy", 150), r"mapping_floc-faces\.npy is damaged or no mapp"),
    "mask truncated": (
        cut("roi_masks/lh.streams_challenge_space.npy", 300),
        r"lh\.streams_challenge_space\.npy is truncated",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", SPOILS)
def test_what_does_not_fit_is_one_line(case: str, root: Path, load: Load) -> None:
    spoil, message = SPOILS[case]
    spoil(root / "subj01")
    data = load(root)
    for ask in (data.stimuli, data.survey, data.responses):
        with pytest.raises(DataError, match=message) as error:
            ask("1")
        assert "\n" not in str(error.value)
    assert data.survey("2").values.shape == (60, 395)


def test_a_number_that_the_mapping_lacks(root: Path, load: Load) -> None:
    masks = root / "subj01" / "roi_masks"
    saved("lh.floc-places_challenge_space.npy", first(9))(masks)
    vertex = np.flatnonzero(np.load(masks / "lh.all-vertices_fsaverage_space.npy"))[0]
    whole = np.load(masks / "lh.floc-places_fsaverage_space.npy")
    whole[vertex] = 9
    np.save(masks / "lh.floc-places_fsaverage_space.npy", whole)
    message = (
        r"lh\.floc-places_challenge_space\.npy has the number 9, which mapping_floc-places\.npy does not name \(0 Unk"
    )
    with pytest.raises(DataError, match=message):
        load(root).survey("1")


def test_the_conversion_that_is_advised_makes_it_good(root: Path, load: Load) -> None:
    path = root / "subj01" / FMRI.format("lh")
    np.save(path, np.asfortranarray(np.load(path).astype(float)))
    with pytest.raises(DataError) as error:
        load(root).survey("1")
    advice, place = re.search(r"once: (numpy\.save\(.*\)) with PATH = '(.*)'$", str(error.value)).groups()  # type: ignore[union-attr]
    eval(advice, {"numpy": np, "PATH": place})
    assert load(root).responses("1").values.shape == (60, 395)


@pytest.mark.parametrize("where", ["..", "../..", "subj01", "subj02/training_split", "subj01/roi_masks"])
def test_another_root_names_the_right_one(where: str, root: Path, load: Load) -> None:
    inner = root.parent / "a" / "b"
    inner.mkdir(parents=True)
    moved = inner / "release"
    root.rename(moved)
    given = (moved / where).resolve()
    with pytest.raises(DataError, match=rf"{given} is not the folder that holds subj01, .*: give --data {moved}$"):
        load(given)


def test_no_release_far_and_wide(tmp_path: Path, load: Load) -> None:
    with pytest.raises(
        DataError, match=r"no Algonauts 2023 data in .*: --data names the folder that holds subj01, sub"
    ):
        load(tmp_path / "home")
    with pytest.raises(UsageError, match=r"algonauts2023 needs --data PATH"):
        load(None)


def test_too_few_images_for_a_split(root: Path, load: Load) -> None:
    for number in range(3, 61):
        image(root / "subj01", number).unlink()
    for side in ("lh", "rh"):
        saved(FMRI.format(side), lambda a: a[:2])(root / "subj01")
    with pytest.raises(DataError, match=r"the split by NSD image \(split_seed 0\) leaves \w+ without an image"):
        load(root).survey("1")
