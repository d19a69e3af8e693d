from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from brainbench import DataError, Responses, Stimuli, UsageError
from brainbench.datasets import icosphere

Load = Callable[..., Any]
Make = Callable[..., Path]


def both_sides(root: Path, subject: str = "subj01") -> np.ndarray:
    folder = root / subject / "training_split" / "training_fmri"
    return np.hstack([np.load(folder / f"{side}_training_fmri.npy") for side in ("lh", "rh")])


def explained(stimuli: Stimuli, responses: Responses) -> float:
    """Share of the test rows' variance that a least-squares fit from the images' pixels explains, over all vertices."""
    seen = np.stack([np.asarray(stimuli.open(index), float).ravel() for index in responses.stimulus.tolist()]) - 127.5
    train, test = responses.rows("train"), responses.rows("test")
    weights, *_ = np.linalg.lstsq(seen[train], np.asarray(responses.values, float)[train], rcond=None)
    observed = np.asarray(responses.values, float)[test]
    return float(1 - ((observed - seen[test] @ weights) ** 2).sum() / ((observed - observed.mean(0)) ** 2).sum())


@pytest.mark.slow
def test_a_planted_effect_survives_and_collapses_when_rows_are_shifted(tmp_path: Path, maker: Make, load: Load) -> None:
    root = maker(tmp_path / "many", images=1600, size=8, left=12, right=14, surface=False)
    data = load(root)
    assert explained(data.stimuli("1"), data.responses("1")) > 0.3
    for side in ("lh", "rh"):
        path = root / "subj01" / "training_split" / "training_fmri" / f"{side}_training_fmri.npy"
        np.save(path, np.roll(np.load(path), 1, axis=0))
    shifted = load(root)
    assert explained(shifted.stimuli("1"), shifted.responses("1")) < 0.05


@pytest.mark.slow
def test_sides_are_joined_the_left_first(made: Path, load: Load) -> None:
    for subject, folder in (("1", "subj01"), ("2", "subj02")):
        responses = load(made).responses(subject)
        assert responses.values.dtype == np.float32
        np.testing.assert_array_equal(responses.values, both_sides(made, folder))
        np.testing.assert_array_equal(responses.stimulus, np.arange(60))


def test_a_survey_says_what_the_responses_say(made: Path, load: Load) -> None:
    data = load(made)
    survey, responses = data.survey("1"), data.responses("1")
    assert survey.key == responses.key
    assert survey.values.shape == responses.values.shape
    assert survey.split_hash == responses.split_hash


def test_an_image_is_on_one_side_in_all_subjects(made: Path, load: Load) -> None:
    data = load(made)
    sides: dict[str, set[str]] = {}
    for subject in data.subjects:
        ids, responses = data.stimuli(subject).ids, data.survey(subject)
        for name, side in zip(ids, responses.split.tolist(), strict=True):
            sides.setdefault(name.split("_")[1], set()).add(side)
    assert len(sides) == 114  # 6 of each subject's 60 are shared
    assert all(len(found) == 1 for found in sides.values())


def test_stimuli_are_the_images_in_the_order_of_their_numbers(made: Path, load: Load) -> None:
    stimuli = load(made).stimuli("1")
    folder = made / "subj01" / "training_split" / "training_images"
    assert list(stimuli.ids) == sorted(path.name for path in folder.iterdir())
    assert stimuli.unmeasured == ()
    assert stimuli.open(7).size == (16, 16)


def test_test_images_come_after_the_measured_ones(made: Path, load: Load) -> None:
    data = load(made, test_split=True)
    stimuli, responses = data.stimuli("1"), data.responses("1")
    assert stimuli.unmeasured == tuple(range(60, 65))
    folder = made / "subj01" / "test_split" / "test_images"
    assert [stimuli.ids[index] for index in stimuli.unmeasured] == sorted(path.name for path in folder.iterdir())
    assert responses.values.shape == (60, 395)
    assert responses.stimulus.max() == 59
    assert responses.split_hash == load(made).survey("1").split_hash


def test_coordinates_are_those_of_the_marked_vertices(tmp_path: Path, maker: Make, load: Load) -> None:
    root = maker(tmp_path / "release", images=40, left=30, right=20, size=8)
    data = load(root, shape="sphere")
    responses = data.survey("1")
    assert data.provides == {"responses", "rois", "coordinates"}
    sphere = icosphere(7)[0]
    for row in range(50):
        left = responses.surface.hemisphere[row] == "left"
        assert left == (row < 30)
        x, y, z = 100 * sphere[responses.surface.vertex[row]]  # the right side mirrors the left one
        expected = (x - 105, y, z) if left else (105 - x, y, z)
        np.testing.assert_allclose(responses.coordinates[row], expected, atol=1e-3)
    assert any("the sphere surface of synthetic, order 7" in note for note in responses.notes)
    assert load(root).survey("1").key != responses.key


def test_a_surface_is_taken_from_where_a_setting_says(tmp_path: Path, maker: Make, load: Load, made: Path) -> None:
    other = maker(tmp_path / "release", images=30, left=10, right=10, size=8) / "fsaverage"
    responses = load(made, surface=str(other)).survey("1")
    assert responses.coordinates.shape == (395, 3)
    # A sphere is not fsaverage: nothing may be painted there.
    assert responses.surface.mesh == "synthetic, order 7"
    assert load(made).survey("1").surface.mesh == "fsaverage"
    with pytest.raises(DataError, match=r"no folder .*nowhere"):
        load(made, surface=str(tmp_path / "nowhere"))


def test_without_a_surface_there_are_no_coordinates_and_a_note_says_where_to_get_one(made: Path, load: Load) -> None:
    data = load(made)
    responses = data.responses("1")
    assert data.provides == {"responses", "rois"}
    assert responses.coordinates is None
    assert len(responses.surface.vertex) == 395
    [note] = [note for note in responses.notes if "topology cannot be used" in note]
    assert "fetch_surf_fsaverage('fsaverage')" in note
    assert "algonauts2023.surface=PATH" in note


def test_a_useless_vertex_is_dropped_and_its_facts_with_it(root: Path, load: Load) -> None:
    path = root / "subj01" / "training_split" / "training_fmri" / "rh_training_fmri.npy"
    values = np.load(path)
    values[3, 2], values[:, 5] = np.nan, 1
    np.save(path, values)
    whole, left = load(root).survey("2"), load(root).responses("1")
    assert left.dropped == (192, 195)
    assert left.values.shape == (60, 393)
    assert len(left.surface.vertex) == 393
    assert len(whole.surface.vertex) == 395
    np.testing.assert_array_equal(left.values, np.delete(both_sides(root), [192, 195], axis=1))


def test_one_damaged_subject_stops_no_other(root: Path, load: Load) -> None:
    (root / "subj02" / "training_split" / "training_fmri" / "lh_training_fmri.npy").write_bytes(b"damage")
    (root / "subj03").mkdir()
    data = load(root)
    assert data.subjects == ("1", "2", "3")
    assert data.responses("1").values.shape == (60, 395)
    with pytest.raises(DataError, match=r"subj02.*not a readable \.npy"):
        data.responses("2")
    with pytest.raises(DataError, match=r"no folder .*subj03.*train-0001_nsd-00013\.png"):
        data.stimuli("3")
    with pytest.raises(UsageError, match=r"no subject '9'.*there are 1, 2, 3"):
        data.stimuli("9")


def test_images_of_one_content_are_on_one_side(root: Path, load: Load) -> None:
    folder = root / "subj01" / "training_split" / "training_images"
    names = sorted(path.name for path in folder.iterdir())
    for copy in names[10:40]:
        shutil.copy(folder / names[0], folder / copy)
    responses = load(root).survey("1")
    assert len({responses.split[0], *responses.split[10:40].tolist()}) == 1
    assert any("30 images repeat another's content" in note for note in responses.notes)


def test_simulated_data_say_so_and_are_of_another_version(root: Path, load: Load) -> None:
    data = load(root)
    assert data.simulated
    assert data.version.startswith("simulated ")
    assert data.licence == "MIT"
    (root / "simulated.txt").unlink()
    assert not load(root).simulated
    assert load(root).licence is None  # NSD's, as the card says
    assert load(root).version == "2023"


def test_there_are_neither_masks_nor_dissimilarities(made: Path, load: Load) -> None:
    assert load(made).masks("1") is None
    assert load(made).dissimilarities("1") is None


def test_files_are_decoded_and_summed_up_once(made: Path, load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    first = load(made).survey("1").key
    monkeypatch.setattr("brainbench.datasets.images.open_rgb", lambda path: pytest.fail(f"{path} was decoded again"))
    monkeypatch.setattr("brainbench.datasets.ledger._file_digest", lambda path: pytest.fail(f"{path} was read again"))
    assert load(made).survey("1").key == first
