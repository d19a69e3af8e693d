from __future__ import annotations

import tomllib
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import pearsonr

from brainbench import Dataset, UsageError
from brainbench.builtin.datasets.folder.card import FOLDER
from brainbench.datasets import list_images, small_images


def made(folder: Path, **settings: Any) -> Path:
    resolved = {one.name: one.parse(settings.pop(one.name, one.default), "folder") for one in FOLDER.maker_settings}
    assert not settings
    folder.mkdir()
    assert FOLDER.maker is not None
    FOLDER.maker(folder=folder, settings=resolved)
    return folder


def loaded(folder: Path) -> Dataset:
    dataset = FOLDER.loader(settings=FOLDER.own_settings({}), data=folder, cache=folder.parent / "cache")
    assert isinstance(dataset, Dataset)
    return dataset


def test_one_subject_lies_at_the_top_as_the_readme_has_it(tmp_path: Path) -> None:
    folder = made(tmp_path / "one", subjects=1, images=20, voxels=31, size=16)
    assert {path.name for path in folder.iterdir()} == {
        "images",
        "responses.npy",
        "coordinates.npy",
        "rois.csv",
        "noise_ceiling.npy",
        "dataset.toml",
    }
    assert tomllib.loads((folder / "dataset.toml").read_text())["simulated"] is True
    dataset = loaded(folder)
    assert dataset.subjects == ("1",)
    assert dataset.provides == {"responses", "coordinates", "rois", "noise_ceiling"}
    responses = dataset.responses("1")
    assert responses is not None
    assert responses.values.shape == (20, 31)
    assert not responses.dropped


def test_several_subjects_share_images_and_nothing_else(tmp_path: Path) -> None:
    dataset = loaded(made(tmp_path / "many", subjects=3, images=20, voxels=30, size=16))
    assert dataset.subjects == ("1", "2", "3")
    assert len({dataset.stimuli(subject).key for subject in dataset.subjects}) == 1
    found = [dataset.responses(subject) for subject in dataset.subjects]
    assert len({one.values.tobytes() for one in found if one}) == 3
    assert len({one.noise_ceiling.tobytes() for one in found if one and one.noise_ceiling is not None}) == 3


@pytest.mark.slow
def test_responses_follow_the_images_and_reach_the_stated_ceiling(tmp_path: Path) -> None:
    folder = made(tmp_path / "one", subjects=1, images=4000, voxels=12, size=8, seed=4)
    values = np.load(folder / "responses.npy").astype(np.float64)
    _, content = small_images(4000, seed=4, size=8)
    fitted, tested = slice(0, 3000), slice(3000, 4000)
    weights = np.linalg.lstsq(content[fitted].astype(np.float64), values[fitted], rcond=None)[0]
    reached = [
        pearsonr(*pair).statistic ** 2 for pair in zip((content[tested] @ weights).T, values[tested].T, strict=True)
    ]
    ceiling = np.load(folder / "noise_ceiling.npy")
    assert np.ptp(ceiling) > 0.2
    np.testing.assert_allclose(reached, ceiling, atol=0.1)
    shifted = np.roll(values[tested], 1, axis=0)
    assert (
        max(pearsonr(*pair).statistic ** 2 for pair in zip((content[tested] @ weights).T, shifted.T, strict=True)) < 0.1
    )


def test_repeats_are_listed_with_their_images(tmp_path: Path) -> None:
    folder = made(tmp_path / "many", subjects=2, images=20, voxels=400, size=8, repeats=3)
    shown = pd.read_csv(folder / "subjects/2/stimuli.csv")["image"]
    assert (shown.value_counts() == 3).all()
    assert sorted(shown.unique()) == list_images(folder / "images")
    values = np.load(folder / "subjects/2/responses.npy")
    alike = np.corrcoef(values)
    same = (shown.to_numpy()[:, None] == shown.to_numpy()) & ~np.eye(60, dtype=bool)
    assert alike[same].mean() > 0.35
    assert np.median(alike[~same & ~np.eye(60, dtype=bool)]) < 0.1
    assert loaded(folder).responses("2") is not None


def test_areas_are_bands_from_the_pole_and_hemispheres_lie_apart(tmp_path: Path) -> None:
    folder = made(tmp_path / "one", subjects=1, images=10, voxels=601, size=8)
    coordinates = np.load(folder / "coordinates.npy")
    assert len(np.unique(coordinates, axis=0)) == 601
    areas = pd.read_csv(folder / "rois.csv").set_index("voxel")["roi"]
    assert list(areas.index) == list(range(601))
    assert areas.value_counts().min() >= 100
    left = coordinates[:, 0] < 0
    assert left.sum() == 301
    assert np.abs(coordinates[:, 0]).min() >= 5
    for side in (left, ~left):
        depth = [coordinates[side & (areas == name), 1] for name in ("V1", "V2", "V3", "hV4", "OPA", "EBA")]
        assert all(before.max() <= after.min() for before, after in pairwise(depth))


@pytest.mark.parametrize("voxels", [1, 5])
def test_few_voxels_will_do(tmp_path: Path, voxels: int) -> None:
    assert loaded(made(tmp_path / "few", subjects=1, images=10, voxels=voxels, size=8)).provides >= {"rois"}


def test_the_same_settings_give_the_same_bytes(tmp_path: Path) -> None:
    one, two, other = (
        made(tmp_path / name, images=5, voxels=9, size=8, seed=seed) for name, seed in (("1", 0), ("2", 0), ("3", 1))
    )
    files = [path.relative_to(one) for path in sorted(one.rglob("*")) if path.is_file()]
    assert all((one / path).read_bytes() == (two / path).read_bytes() for path in files)
    assert (one / "subjects/1/responses.npy").read_bytes() != (other / "subjects/1/responses.npy").read_bytes()


def test_too_many_voxels_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="200000 voxels asked for, at most 100000 can be made"):
        made(tmp_path / "large", voxels=200000)
    assert not list((tmp_path / "large").iterdir())
