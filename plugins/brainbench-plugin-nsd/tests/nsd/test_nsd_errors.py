"""Each spoilt download gets one line that names the file and what to do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import nibabel
import numpy as np
import pytest
from brainbench_nsd.nsd.layout import Layout
from brainbench_nsd.nsd.made_surface import write_vertices

from brainbench import DataError, UsageError

Load = Callable[..., Any]
BETAS = "betas_fithrf_GLMdenoise_RR"
VOLUME = {"space": "func1pt8mm"}


def _session(root: Path, name: str, space: str = "fsaverage") -> Path:
    return Layout(root).betas("1", space, BETAS) / name


def _refused(message: str, load: Load, root: Path, **given: Any) -> None:
    dataset = load(root, **given)
    with pytest.raises(DataError, match=message) as caught:
        dataset.survey("1")
    assert "\n" not in str(caught.value)
    assert dataset.survey("2").rois  # the other subject is none the worse


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])


def test_wrong_roots_name_the_right_one(root: Path, load: Load, tmp_path: Path) -> None:
    (tmp_path / "one" / "two").mkdir(parents=True)
    root = root.rename(tmp_path / "one" / "two" / "nsd")
    for wrong in (root.parent, root / "nsddata", root / "nsddata_betas" / "ppdata", root.parent.parent):
        with pytest.raises(DataError, match=rf"is not the root of this download of NSD: give --data {root}"):
            load(wrong)
    with pytest.raises(DataError, match="is not an NSD download: it must contain nsddata/"):
        load(tmp_path)
    with pytest.raises(DataError, match="no folder"):
        load(tmp_path / "nowhere")


def test_data_must_be_given_and_subjects_be_there(made: Path, load: Load) -> None:
    with pytest.raises(UsageError, match="needs --data PATH"):
        load(None)
    with pytest.raises(UsageError, match="no subject '3'.*; this download has 1, 2"):
        load(made).stimuli("3")


def test_other_betas_than_those_there_are_refused(made: Path, load: Load) -> None:
    message = f"fsaverage/betas_assumehrf in .*: there is --set nsd.space=fsaverage --set nsd.betas={BETAS}$"
    with pytest.raises(DataError, match=message):
        load(made, betas="betas_assumehrf")
    with pytest.raises(DataError, match=f"there is --set nsd.space=fsaverage --set nsd.betas={BETAS}$"):
        load(made, space="func1pt8mm")


def test_one_hemisphere_is_missing(root: Path, load: Load) -> None:
    _session(root, "rh.betas_session02.mgh").unlink()
    _refused(r"no .*rh.betas_session02.mgh, though lh.betas_session02.mgh is there: both", load, root)


def test_a_session_is_missing_in_between(root: Path, load: Load) -> None:
    for side in ("lh", "rh"):
        _session(root, f"{side}.betas_session02.mgh").unlink()
    _refused(r"no betas of session 2 in .*, which holds 1,3: fetch them, or use --set nsd.sessions=1,3", load, root)
    assert len(load(root, sessions="1,3").survey("1").values) == 80


def test_a_session_at_the_end_may_be_missing(root: Path, load: Load) -> None:
    for side in ("lh", "rh"):
        _session(root, f"{side}.betas_session03.mgh").unlink()
    assert len(load(root).survey("1").values) == 80
    with pytest.raises(DataError, match="no betas of session 3"):
        load(root, sessions="1-3").survey("1")


def test_no_session_is_there(volume: Path, load: Load) -> None:
    for path in _session(volume, "x", "func1pt8mm").parent.glob("betas_*"):
        path.unlink()
    _refused(r"no betas_session\*.mgh, .hdf5 or .nii.gz in", load, volume, **VOLUME)


def test_a_truncated_mgh(root: Path, load: Load) -> None:
    _cut(_session(root, "lh.betas_session02.mgh"))
    _refused(r"lh.betas_session02.mgh is truncated: \d+ of 26204 bytes are there", load, root)
    _session(root, "lh.betas_session02.mgh").write_bytes(b"short")
    _refused(r"lh.betas_session02.mgh cannot be read, it is truncated, damaged or of another kind", load, root)


def test_a_truncated_label(root: Path, load: Load) -> None:
    _cut(Layout(root).own_labels("1") / "rh.floc-words.mgz")
    _refused(r"rh.floc-words.mgz cannot be read, it is truncated", load, root)


def test_a_volume_given_for_a_surface(root: Path, load: Load) -> None:
    image = nibabel.MGHImage(np.zeros((6, 7, 8, 40), np.float32), np.eye(4))
    image.to_filename(_session(root, "lh.betas_session01.mgh"))
    _refused(r"has shape \(6, 7, 8, 40\), expected vertices x 1 x 1 x trials: a surface, not a volume", load, root)


def test_a_volume_given_for_labels(root: Path, load: Load) -> None:
    nibabel.MGHImage(np.zeros((6, 7, 8), np.float32), np.eye(4)).to_filename(
        Layout(root).own_labels("1") / "lh.floc-faces.mgz"
    )
    _refused(r"floc-faces.mgz has shape \(6, 7, 8\), expected vertices x 1 x 1", load, root)


def test_betas_of_another_kind(root: Path, load: Load) -> None:
    image = nibabel.MGHImage(np.zeros((162, 1, 1, 40), np.int16), np.eye(4))
    image.to_filename(_session(root, "lh.betas_session01.mgh"))
    _refused(r"lh.betas_session01.mgh holds >i2 values, expected NSD's own float32", load, root)


@pytest.mark.parametrize(("vertices", "trials", "message"), [(642, 40, "642 vertices"), (162, 39, "39 trials")])
def test_sessions_of_unlike_sizes(vertices: int, trials: int, message: str, root: Path, load: Load) -> None:
    image = nibabel.MGHImage(np.zeros((vertices, 1, 1, trials), np.float32), np.eye(4))
    image.to_filename(_session(root, "rh.betas_session03.mgh"))
    _refused(rf"rh.betas_session03.mgh has {message}, but .* has \d+", load, root)


def test_a_session_with_another_number_of_trials(root: Path, load: Load) -> None:
    for side in ("lh", "rh"):
        image = nibabel.MGHImage(np.zeros((162, 1, 1, 39), np.float32), np.eye(4))
        image.to_filename(_session(root, f"{side}.betas_session03.mgh"))
    _refused(r"lh.betas_session03.mgh has 39 trials, but .*responses.tsv has 40 of session 3", load, root)


def test_labels_of_another_subject(root: Path, load: Load) -> None:
    write_vertices(Layout(root).own_labels("1") / "lh.floc-faces.mgz", np.zeros(100))
    _refused(r"floc-faces.mgz has 100 vertices, but .*transforms/lh.white-to-fsaverage.mgz names vertex", load, root)


def test_labels_of_another_mesh(root: Path, load: Load) -> None:
    for side in ("lh", "rh"):
        write_vertices(Layout(root).shared_labels / f"{side}.nsdgeneral.mgz", np.ones(642))
    with pytest.raises(
        DataError, match=r"nsdgeneral.mgz has 642 vertices, but the betas have 162: it is of another mesh"
    ):
        load(root).survey("1")


def test_without_nsdgeneral_nothing_says_what_to_read(root: Path, load: Load) -> None:
    (Layout(root).shared_labels / "rh.nsdgeneral.mgz").unlink()
    with pytest.raises(DataError, match=r"no .*rh.nsdgeneral.mgz, though its other hemisphere is there"):
        load(root).survey("1")
    (Layout(root).shared_labels / "lh.nsdgeneral.mgz").unlink()
    with pytest.raises(DataError, match=r"no .*nsdgeneral.mgz, which says which vertices to read"):
        load(root).survey("1")


def test_an_empty_nsdgeneral(root: Path, load: Load) -> None:
    for side in ("lh", "rh"):
        write_vertices(Layout(root).shared_labels / f"{side}.nsdgeneral.mgz", np.zeros(162))
    with pytest.raises(DataError, match="nsdgeneral of subject 1 holds no vertex"):
        load(root).survey("1")


def test_one_ncsnr_is_missing_or_of_another_mesh(root: Path, load: Load) -> None:
    write_vertices(_session(root, "rh.ncsnr.mgh"), np.zeros(642))
    _refused(r"rh.ncsnr.mgh has 642 vertices, but the betas have 162", load, root)
    _session(root, "rh.ncsnr.mgh").unlink()
    _refused(r"no .*rh.ncsnr.mgh, though its other hemisphere is there", load, root)


def test_nan_in_the_surface(root: Path, load: Load) -> None:
    from nibabel.freesurfer import read_geometry, write_geometry

    path = Layout(root).fsaverage / "surf" / "lh.inflated"
    points, faces = read_geometry(path)
    points[5] = np.nan
    write_geometry(path, points, faces, create_stamp="spoilt")
    with pytest.raises(DataError, match=r"lh.inflated: 1 of 162 vertices have no finite coordinates"):
        load(root).survey("1")
    assert load(root, shape="sphere").survey("1").coordinates is not None


def test_a_surface_of_another_mesh(root: Path, load: Load, maker: Callable[..., Path], tmp_path: Path) -> None:
    other = Layout(maker(tmp_path / "other", order=3)).fsaverage
    with pytest.raises(DataError, match=r"has 642 vertices a side, but .* has 162"):
        load(root, surface=str(other)).survey("1")


def test_a_truncated_hdf5(volume: Path, load: Load) -> None:
    _cut(_session(volume, "betas_session02.hdf5", "func1pt8mm"))
    _refused(r"betas_session02.hdf5 cannot be read \(.*\): it is truncated or damaged", load, volume, **VOLUME)


def test_a_truncated_nifti(tmp_path: Path, load: Load, maker: Callable[..., Path]) -> None:
    root = maker(tmp_path / "nsd", space="func1pt8mm", volume="nii.gz")
    _cut(_session(root, "betas_session02.nii.gz", "func1pt8mm"))
    _refused(r"betas_session02.nii.gz cannot be read, it is truncated", load, root, **VOLUME)


def test_an_hdf5_of_another_kind(volume: Path, load: Load) -> None:
    path = _session(volume, "betas_session02.hdf5", "func1pt8mm")
    with h5py.File(path, "r+") as file:
        shape = file["betas"].shape
        del file["betas"]
        file["betas"] = np.zeros(shape, np.float32)
    _refused(r"betas_session02.hdf5 holds float32 values, expected NSD's own int16", load, volume, **VOLUME)
    with h5py.File(path, "r+") as file:
        del file["betas"]
    _refused(r"betas_session02.hdf5 holds no array betas", load, volume, **VOLUME)
    with h5py.File(path, "r+") as file:
        file["betas"] = np.zeros(shape[1:], np.int16)
    _refused(r"betas has shape .*, expected trials x Z x Y x X", load, volume, **VOLUME)


def test_a_mask_of_another_subject(volume: Path, load: Load) -> None:
    layout = Layout(volume)
    other = (layout.volume_rois("2") / "nsdgeneral.nii.gz").read_bytes()
    (layout.volume_rois("1") / "nsdgeneral.nii.gz").write_bytes(other)
    _refused(
        r"betas_session01.hdf5 has .* voxels, but .*nsdgeneral.nii.gz .*: one of them is of another",
        load,
        volume,
        **VOLUME,
    )


def test_rois_of_another_subject(volume: Path, load: Load) -> None:
    layout = Layout(volume)
    other = (layout.volume_rois("2") / "streams.nii.gz").read_bytes()
    (layout.volume_rois("1") / "streams.nii.gz").write_bytes(other)
    _refused(r"streams.nii.gz has .* voxels, but .*: one of them is of another subject", load, volume, **VOLUME)


def test_a_nifti_with_other_axes(volume: Path, load: Load) -> None:
    layout = Layout(volume)
    path = layout.volume_rois("1") / "nsdgeneral.nii.gz"
    nibabel.Nifti1Image(np.zeros((3, 4, 5, 6), np.int16), np.eye(4)).to_filename(path)
    _refused(r"nsdgeneral.nii.gz has shape \(3, 4, 5, 6\), expected three axes", load, volume, **VOLUME)
    nibabel.Nifti1Image(np.zeros((3, 4, 5), np.int16), np.eye(4)).to_filename(path)
    _refused(r"nsdgeneral.nii.gz holds no voxel of nsdgeneral", load, volume, **VOLUME)
    path.unlink()
    _refused(r"no .*nsdgeneral.nii.gz: fetch it from the release", load, volume, **VOLUME)
