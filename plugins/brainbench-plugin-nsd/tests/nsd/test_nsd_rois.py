from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from brainbench_nsd.nsd.layout import Layout
from brainbench_nsd.nsd.made_surface import write_vertices
from brainbench_nsd.nsd.rois import CLASSES

from brainbench import DataError

Load = Callable[..., Any]


def _figures(path: Path) -> np.ndarray:
    return np.asarray(nibabel.load(path).get_fdata()).ravel()


def _naive(root: Path, subject: str) -> dict[str, set[tuple[str, int]]]:
    """ROI -> (side, vertex) pairs of nsdgeneral, vertex by vertex."""
    layout, found = Layout(root), {}
    for side in ("lh", "rh"):
        general = _figures(layout.shared_labels / f"{side}.nsdgeneral.mgz")
        to_own = _figures(layout.transform(subject, side))
        for name in CLASSES:
            lines = (layout.own_labels(subject) / f"{name}.mgz.ctab").read_text().splitlines()
            names = dict(line.split() for line in lines)
            shared = name == "streams"
            labels = _figures((layout.shared_labels if shared else layout.own_labels(subject)) / f"{side}.{name}.mgz")
            for vertex in range(len(general)):
                number = labels[vertex] if shared else labels[int(to_own[vertex]) - 1]
                if general[vertex] == 1 and number > 0:
                    roi = names[str(int(number))]
                    roi = roi[:2] if roi in ("V1v", "V1d", "V2v", "V2d", "V3v", "V3d") else roi
                    found.setdefault(roi, set()).add((side, vertex))
    return found


def _pairs(responses: Any) -> dict[str, set[tuple[str, int]]]:
    sides = {"left": "lh", "right": "rh"}
    where = [(sides[h], int(v)) for h, v in zip(responses.surface.hemisphere, responses.surface.vertex, strict=True)]
    return {roi: {where[i] for i in np.flatnonzero(mask)} for roi, mask in responses.rois.items()}


@pytest.mark.parametrize("subject", ["1", "2"])
def test_surface_rois_are_carried_over_and_joined(subject: str, made: Path, load: Load) -> None:
    responses = load(made).survey(subject)
    dropped = {("lh", int(v)) for v in np.flatnonzero(_figures(Layout(made).shared_labels / "lh.nsdgeneral.mgz"))[:2]}
    expected = {roi: pairs - dropped for roi, pairs in _naive(made, subject).items()}
    assert _pairs(responses) == {roi: pairs for roi, pairs in expected.items() if pairs}
    assert {"V1", "hV4", "FFA-1", "early"} <= set(responses.rois)
    assert {"left", "right"} == set(responses.surface.hemisphere[responses.rois["V1"]])


def test_volume_rois_lie_at_their_voxels(made_volume: Path, load: Load) -> None:
    responses = load(made_volume, space="func1pt8mm").survey("2")
    folder = Layout(made_volume).volume_rois("2")
    general = nibabel.load(folder / "nsdgeneral.nii.gz")
    place = np.argwhere(general.get_fdata() == 1)[2:]
    bodies = nibabel.load(folder / "floc-bodies.nii.gz").get_fdata()
    assert responses.rois["EBA"].tolist() == [bodies[tuple(p)] == 1 for p in place]
    early = nibabel.load(folder / "prf-visualrois.nii.gz").get_fdata()
    assert responses.rois["V2"].tolist() == [early[tuple(p)] in (3, 4) for p in place]
    expected = [nibabel.affines.apply_affine(general.affine, p) for p in place]
    np.testing.assert_allclose(responses.coordinates, expected, atol=1e-4)


def test_one_file_a_side_will_do_in_the_volume(volume: Path, load: Load) -> None:
    before = load(volume, space="func1pt8mm").survey("1").rois
    folder = Layout(volume).volume_rois("1")
    whole = nibabel.load(folder / "streams.nii.gz")
    values, border = whole.get_fdata(), whole.shape[0] // 2
    for side, cut in (("lh", np.s_[border:]), ("rh", np.s_[:border])):
        half = values.copy()
        half[cut] = -1
        nibabel.Nifti1Image(half, whole.affine).to_filename(folder / f"{side}.streams.nii.gz")
    (folder / "streams.nii.gz").unlink()
    after = load(volume, space="func1pt8mm").survey("1").rois
    assert all(np.array_equal(before[roi], after[roi]) for roi in before)
    (folder / "rh.streams.nii.gz").unlink()
    with pytest.raises(DataError, match=r"no .*rh.streams.nii.gz, though its other hemisphere is there"):
        load(volume, space="func1pt8mm").survey("1")


def test_labels_that_are_not_there_are_told(root: Path, load: Load) -> None:
    layout = Layout(root)
    for side in ("lh", "rh"):
        layout.transform("1", side).unlink()
    responses = load(root).survey("1")
    assert "FFA-1" not in responses.rois
    assert "ventral" in responses.rois
    drawn = "prf-visualrois, floc-bodies, floc-faces, floc-places, floc-words"
    assert f"no labels of {drawn}: those ROIs are left out" in responses.notes


def test_a_subjects_own_labels_come_first_and_fsaverages_where_they_were_drawn_there(root: Path, load: Load) -> None:
    layout, before = Layout(root), load(root).survey("1")
    for side in ("lh", "rh"):
        write_vertices(layout.shared_labels / f"{side}.floc-faces.mgz", np.ones(162))
        for name in ("streams", "nsdgeneral"):
            write_vertices(layout.own_labels("1") / f"{side}.{name}.mgz", np.ones(172))
    after = load(root).survey("1")
    assert _pairs(after) == _pairs(before)


def test_labels_already_on_fsaverage_serve_where_there_are_no_others(root: Path, load: Load) -> None:
    layout, before = Layout(root), load(root).survey("1").rois
    for side in ("lh", "rh"):
        to_own = _figures(layout.transform("1", side)).astype(int) - 1
        own = layout.own_labels("1") / f"{side}.floc-faces.mgz"
        write_vertices(layout.shared_labels / own.name, _figures(own)[to_own])
        own.unlink()
    np.testing.assert_array_equal(load(root).survey("1").rois["FFA-1"], before["FFA-1"])


def test_nsdgeneral_on_the_subjects_own_mesh_serves_too(root: Path, load: Load) -> None:
    layout, before = Layout(root), load(root).survey("1")
    for side in ("lh", "rh"):
        to_own = _figures(layout.transform("1", side)).astype(int) - 1
        own = np.zeros(172)
        own[to_own] = _figures(layout.shared_labels / f"{side}.nsdgeneral.mgz")
        write_vertices(layout.own_labels("1") / f"{side}.nsdgeneral.mgz", own)
        (layout.shared_labels / f"{side}.nsdgeneral.mgz").unlink()
    assert load(root).survey("1").surface.vertex.tolist() == before.surface.vertex.tolist()


def test_without_colour_tables_the_manuals_names_hold(root: Path, load: Load) -> None:
    before = load(root).survey("1").rois
    for path in Layout(root).own_labels("1").glob("*.ctab"):
        path.unlink()
    after = load(root).survey("1")
    assert list(after.rois) == list(before)
    assert any(note.startswith("no colour table of prf-visualrois") for note in after.notes)


def test_a_number_without_a_name_is_refused(root: Path, load: Load) -> None:
    path = Layout(root).own_labels("1") / "floc-places.mgz.ctab"
    path.write_text("0 Unknown\n1 OPA\n2 PPA\n")
    with pytest.raises(
        DataError, match=r"floc-places of subject 1 has the number 3, which .*floc-places.mgz.ctab does not"
    ):
        load(root).survey("1")
    path.write_text("one OPA\n")
    with pytest.raises(DataError, match=r"ctab, line 1: 'one OPA', expected a number and a name"):
        load(root).survey("1")
