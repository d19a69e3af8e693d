from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from brainbench_nsd.nsd.layout import Layout

from brainbench import Dataset, Surveyed

Load = Callable[..., Any]


def test_it_is_a_dataset_and_says_what_it_has(made: Path, load: Load) -> None:
    dataset = load(made)
    assert isinstance(dataset, Dataset)
    assert isinstance(dataset, Surveyed)
    assert dataset.subjects == ("1", "2")
    assert dataset.provides == {"responses", "rois", "coordinates", "noise_ceiling"}
    assert dataset.masks("1") is None
    assert dataset.dissimilarities("1") is None
    assert dataset.simulated


def test_what_is_not_marked_is_real(root: Path, load: Load) -> None:
    Layout(root).marker.unlink()
    dataset = load(root)
    assert not dataset.simulated
    assert dataset.licence is None


def test_the_version_is_that_of_the_design(
    root: Path, made: Path, load: Load, tmp_path: Path, maker: Callable[..., Path]
) -> None:
    assert load(root).version == load(made).version
    assert load(made).version.startswith("simulated ")
    for place in (root, tmp_path / "copy"):
        shutil.copytree(made, place, dirs_exist_ok=True)
        Layout(place).marker.unlink()
    assert load(root).version == load(tmp_path / "copy").version != load(made).version
    Layout(root).table.write_text(Layout(root).table.read_text().replace("train2017", "val2017"))
    assert load(root).version != load(tmp_path / "copy").version
    assert load(maker(tmp_path / "other", seed=1)).version != load(made).version


def test_coordinates_are_those_of_the_surface_with_the_sides_apart(made: Path, load: Load) -> None:
    from nibabel.freesurfer import read_geometry

    responses = load(made).survey("1")
    left = responses.surface.hemisphere == "left"
    assert responses.coordinates[left, 0].max() < responses.coordinates[~left, 0].min()
    points, _ = read_geometry(Layout(made).fsaverage / "surf" / "rh.inflated")
    np.testing.assert_allclose(responses.coordinates[~left, 1:], points[responses.surface.vertex[~left], 1:], atol=1e-4)
    assert responses.surface.mesh == "fsaverage"
    assert not np.allclose(responses.coordinates, load(made, shape="sphere").survey("1").coordinates)


def test_without_a_surface_there_is_no_topology_and_a_note_says_so(root: Path, load: Load) -> None:
    shutil.move(Layout(root).fsaverage / "surf", root / "apart")
    dataset = load(root)
    responses = dataset.survey("1")
    assert responses.coordinates is None
    assert "coordinates" not in dataset.provides
    assert any("no fsaverage surface of 162 vertices a side" in note and "topology" in note for note in responses.notes)
    assert load(root, surface=str(root / "apart")).survey("1").coordinates is not None


def test_damage_to_one_subject_leaves_the_other(root: Path, load: Load) -> None:
    for path in Layout(root).betas("1", "fsaverage", "betas_fithrf_GLMdenoise_RR").iterdir():
        path.unlink()
    assert load(root).responses("2").values.size


def test_z_scoring_before_the_split_is_told(made: Path, load: Load) -> None:
    told = "betas z-scored in every session and voxel, over all its trials, before the split"
    assert told in load(made).survey("1").notes
    assert told not in load(made, zscore=False).survey("1").notes
