from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from experiment import write_experiment

from brainbench import DataError, Part
from brainbench.builtin.datasets.folder.card import FOLDER


def root(path: Path) -> Path | None:
    assert FOLDER.root is not None
    return FOLDER.root(path)


def parts(folder: Path) -> dict[tuple[str, str], Part]:
    assert FOLDER.contents is not None
    found = FOLDER.contents(data=folder, settings=FOLDER.own_settings({}))
    named = {(part.subject, part.place.name): part for part in found}
    assert len(named) == len(found)
    return named


def test_the_top_is_found_from_itself_its_parts_and_what_holds_it(tmp_path: Path) -> None:
    top = write_experiment(tmp_path / "deep/er/mine")
    (top / "subjects/a").mkdir(parents=True)
    for path in (top, top / "images", top / "subjects", top / "subjects/a", top.parent, top.parent.parent):
        assert root(path) == top, path
    assert root(tmp_path) is None
    assert root(tmp_path / "nowhere") is None


def test_a_subject_with_images_of_its_own_is_not_the_top(tmp_path: Path) -> None:
    for name in "ab":
        write_experiment(tmp_path / "mine/subjects" / name)
    for path in ("mine", "mine/subjects", "mine/subjects/a", "mine/subjects/a/images", ""):
        assert root(tmp_path / path) == tmp_path / "mine", path


def test_a_folder_beside_images_is_not_the_top_nor_is_one_with_two_experiments(tmp_path: Path) -> None:
    write_experiment(tmp_path / "one")
    write_experiment(tmp_path / "two")
    (tmp_path / "one/notes").mkdir()
    assert root(tmp_path / "one/notes") is None
    assert root(tmp_path) is None


def test_what_is_there_and_what_is_not(tmp_path: Path) -> None:
    top = write_experiment(tmp_path / "mine", images=12, voxels=5)
    found = parts(top)
    responses, images = found["1", "responses.npy"], found["1", "images"]
    assert responses.there
    assert responses.detail == "12 x 5 float32"
    assert responses.size == (top / "responses.npy").stat().st_size
    assert (images.there, images.needed, images.detail) == (True, True, "12 images")
    assert images.size == sum(path.stat().st_size for path in (top / "images").iterdir())
    assert {name for (_, name), part in found.items() if part.there} == {"images", "responses.npy"}
    assert {name for (_, name), part in found.items() if not part.there} == {
        "dataset.toml",
        "stimuli.csv",
        "coordinates.npy",
        "rois.csv",
        "noise_ceiling.npy",
        "splits.csv",
        "dissimilarities.npy",
        "masks",
    }
    assert all(part.source for part in found.values())
    assert [name for (_, name), part in found.items() if part.needed] == ["images"]


def test_what_subjects_share_belongs_to_nobody(tmp_path: Path) -> None:
    top = write_experiment(tmp_path / "mine")
    for name in ("s2", "s10"):
        (top / "subjects" / name).mkdir(parents=True)
        np.save(top / "subjects" / name / "responses.npy", np.zeros((30, 4), np.float64))
    (top / "responses.npy").unlink()
    (top / "rois.csv").write_text("voxel,roi\n0,V1\n")
    found = parts(top)
    assert found["", "images"].there
    assert found["", "rois.csv"].there
    assert found["s10", "responses.npy"].detail == "30 x 4 float64"
    assert not found["s2", "coordinates.npy"].there
    assert [subject for subject, name in found if name == "responses.npy"] == ["s2", "s10"]


def test_damage_is_told_and_two_of_a_kind_are_refused(tmp_path: Path) -> None:
    top = write_experiment(tmp_path / "mine")
    np.save(top / "coordinates.npy", np.zeros((5, 3)))
    whole = (top / "coordinates.npy").read_bytes()
    (top / "coordinates.npy").write_bytes(whole[:-8])
    assert parts(top)["1", "coordinates.npy"].detail == "cannot be read"
    (top / "responses.csv").write_text("1,2\n")
    with pytest.raises(DataError, match="holds both responses.npy and responses.csv"):
        parts(top)


def test_the_top_of_a_bids_like_folder(tmp_path: Path) -> None:
    top = write_experiment(tmp_path / "deep/mine")
    (top / "images").rename(top / "stimuli")
    (top / "sub-01/ses-01").mkdir(parents=True)
    for path in (top, top / "stimuli", top / "sub-01", top.parent, tmp_path):
        assert root(path) == top, path
    (tmp_path / "other/stimuli").mkdir(parents=True)
    assert root(tmp_path / "other") is None
    for name in ("sub-1", "sub-2"):
        write_experiment(tmp_path / "own" / name)
        assert root(tmp_path / "own" / name) == tmp_path / "own"
    assert root(tmp_path / "own") == tmp_path / "own"


def test_sessions_and_spaces_are_listed_where_they_are(tmp_path: Path) -> None:
    top = write_experiment(tmp_path / "mine")
    for name in ("ses-1", "ses-2"):
        (top / "sub-01" / name).mkdir(parents=True)
        np.save(top / "sub-01" / name / f"{'lr'[name == 'ses-2']}h.responses.npy", np.ones((30, 3), np.float32))
        np.save(top / "sub-01" / name / f"{'rl'[name == 'ses-2']}h.responses.npy", np.ones((30, 2), np.float32))
    (top / "responses.npy").unlink()
    (top / "sub-01/ses-2/events.tsv").write_text("image\n")
    (top / "sub-01/surface").mkdir()
    (top / "sub-01/vertices.tsv").write_text("hemisphere\tvertex\nleft\t1\n")
    assert FOLDER.contents is not None
    found = [part for part in FOLDER.contents(data=top, settings={}) if part.there]
    responses = [str(part.place.relative_to(top / "sub-01")) for part in found if ": responses" in part.what]
    assert responses == [f"ses-{n}/{side}.responses.npy" for n in (1, 2) for side in ("lh", "rh")]
    assert {part.subject for part in found if part.what != "images"} == {"01"}
    assert "ses-2: order of the response rows, groups of images" in {part.what for part in found}
    assert {part.place.name for part in found} >= {"images", "surface", "vertices.tsv"}


def test_a_damaged_subject_hides_no_other(tmp_path: Path) -> None:
    top = write_experiment(tmp_path / "mine")
    for name in ("sub-01/ses-1", "sub-01/ses-3", "sub-02"):
        (top / name).mkdir(parents=True)
    (top / "responses.npy").rename(top / "sub-02/responses.npy")
    assert FOLDER.contents is not None
    found = {(part.subject, part.what): part for part in FOLDER.contents(data=top, settings={})}
    assert found["01", "files"].place == top / "sub-01"
    assert found["02", "responses, stimuli x voxels"].detail == "30 x 5 float32"
