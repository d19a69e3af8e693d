from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest
from nilearn.datasets import fetch_surf_fsaverage
from nilearn.surface import load_surf_mesh

from brainbench import Surface, UsageError
from brainbench.plot.meshes import SIDES, cortex
from brainbench.plot.surface_painting import neighbours, windows

COUNT = 10242
# What FreeSurfer writes behind every surface.
VOLUME = {
    "head": [2, 0, 20],
    "valid": "1  # volume info valid",
    "filename": "orig.mgz",
    "volume": [256, 256, 256],
    "voxelsize": [1.0, 1.0, 1.0],
    "xras": [-1.0, 0.0, 0.0],
    "yras": [0.0, 0.0, -1.0],
    "zras": [0.0, 1.0, 0.0],
    "cras": [0.0, 0.0, 0.0],
}


def surface(mesh: str, left: list[int], right: list[int]) -> Surface:
    return Surface(mesh, np.array(["left"] * len(left) + ["right"] * len(right)), np.array(left + right))


def freesurfer(folder: Path, count: int = 30) -> Path:
    """A subject of FreeSurfer's whose cortex is a cap of a ball."""
    rng = np.random.default_rng(0)
    points = rng.normal(size=(count, 3))
    points = 50 * points / np.linalg.norm(points, axis=1, keepdims=True)
    faces = np.stack([np.arange(count - 2), np.arange(1, count - 1), np.arange(2, count)], axis=1)
    (folder / "surf").mkdir(parents=True)
    for hemisphere in ("lh", "rh"):
        nibabel.freesurfer.write_geometry(folder / f"surf/{hemisphere}.inflated", points, faces, volume_info=VOLUME)
        nibabel.freesurfer.write_morph_data(folder / f"surf/{hemisphere}.sulc", rng.normal(size=count))
    return folder


def test_the_first_vertices_of_a_finer_icosahedron_are_those_of_the_coarser_one() -> None:
    # What painting fsaverage on fsaverage5 rests on, shown on the step before: every later vertex of fsaverage5 halves an edge
    # between two of the first 2,562, of which it has no other neighbour.
    mesh = load_surf_mesh(fetch_surf_fsaverage("fsaverage5")["sphere_left"])
    edges = np.concatenate([mesh.faces[:, [0, 1]], mesh.faces[:, [1, 2]], mesh.faces[:, [2, 0]]])
    edges = np.unique(np.sort(edges, axis=1), axis=0)
    coarse = edges < 2562
    assert not coarse.all(axis=1).any()
    crossing = edges[coarse.sum(axis=1) == 1]
    new, parents = np.unique(crossing[:, 1], return_counts=True)
    assert new.tolist() == list(range(2562, COUNT))
    assert set(parents) == {2}
    ends = crossing[np.argsort(crossing[:, 1], kind="stable"), 0].reshape(-1, 2)
    middle = mesh.coordinates[ends].mean(axis=1)
    middle *= 100 / np.linalg.norm(middle, axis=1, keepdims=True)
    np.testing.assert_allclose(middle, mesh.coordinates[2562:], atol=0.01)


def test_values_lie_on_their_vertices_and_sides() -> None:
    sheets = cortex(surface("fsaverage5", [3, COUNT - 1], [3]), None)
    assert sheets is not None
    values = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    left, right = (sheets.spread(values, side, sheets.flat[side]) for side in SIDES)
    assert left.shape == (COUNT, 2)
    assert left[[3, COUNT - 1]].tolist() == [[1, 2], [3, 4]]
    assert right[3].tolist() == [5, 6]
    assert np.isnan(left).sum() == 2 * (COUNT - 2)
    assert not sheets.notes


def test_of_a_finer_mesh_the_common_vertices_are_shown_and_that_is_said() -> None:
    sheets = cortex(surface("fsaverage", [3, 100_000], [4]), None)
    assert sheets is not None
    assert np.flatnonzero(np.isfinite(sheets.spread(np.ones(3), "left", sheets.flat["left"]))).tolist() == [3]
    assert sheets.notes == [
        "Shown on the flat map and inflated views: of fsaverage, the 10,242 vertices a side that fsaverage5 has too, one in 16."
    ]


@pytest.mark.parametrize("where", [None, surface("monkey", [0], [1])])
def test_without_a_known_mesh_there_is_no_sheet(where: Surface | None) -> None:
    assert cortex(where, None) is None


def test_a_mesh_of_ones_own_has_inflated_views(tmp_path: Path) -> None:
    sheets = cortex(surface("mine", [0, 29], [4]), freesurfer(tmp_path / "me"))
    assert sheets is not None
    assert not sheets.flat
    assert sheets.inflated["left"].points.shape == (30, 3)
    assert np.isfinite(sheets.spread(np.ones(3), "left", sheets.inflated["left"])).sum() == 2


def test_the_folder_of_nilearn_serves_too(tmp_path: Path) -> None:
    folder = Path(fetch_surf_fsaverage("fsaverage5")["infl_left"]).parent
    sheets = cortex(surface("fsaverage5", [0], [1]), folder)
    assert sheets is not None
    assert set(sheets.flat) == set(SIDES)


@pytest.mark.parametrize(
    ("where", "message"),
    [
        (
            surface("fsaverage", [0], [1]),
            r"a mesh of 30 vertices on the left, but the voxels are on fsaverage \(163,842\)",
        ),
        (surface("mine", [40], [1]), r"a mesh of 30 vertices on the left, but the voxels are on mine \(41\)"),
    ],
)
def test_a_folder_of_another_mesh_is_refused(tmp_path: Path, where: Surface, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        cortex(where, freesurfer(tmp_path / "me"))


def test_a_folder_without_surfaces_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no inflated surface of the left side there; expected surf/lh.inflated"):
        cortex(surface("mine", [0], [1]), tmp_path)


def test_a_broken_surface_is_named(tmp_path: Path) -> None:
    folder = freesurfer(tmp_path / "me")
    (folder / "surf/lh.inflated").write_bytes(b"nothing")
    with pytest.raises(UsageError, match="lh.inflated: not a surface that can be read"):
        cortex(surface("mine", [0], [1]), folder)


def test_neighbours_are_mutual_and_five_or_six() -> None:
    sheets = cortex(surface("fsaverage5", [0], [1]), None)
    assert sheets is not None
    near = neighbours(sheets.inflated["left"])
    assert (near != near.T).nnz == 0
    assert set(np.asarray(near.sum(axis=1)).ravel()) == {5, 6}


def test_both_windows_are_of_one_size_and_far_specks_do_not_widen_them() -> None:
    sheets = cortex(surface("fsaverage5", [0], [1]), None)
    assert sheets is not None
    points = {side: sheets.flat[side].points for side in SIDES}
    used = {side: np.unique(sheets.flat[side].faces) for side in SIDES}

    def disc(side: str, centre: np.ndarray, radius: float) -> list[int]:
        near = np.linalg.norm(points[side] - centre, axis=1) < radius
        return [int(v) for v in used[side] if near[v]]

    centres = {side: np.median(points[side], axis=0) for side in SIDES}
    left, right = disc("left", centres["left"], 40), disc("right", centres["right"], 20)
    far = int(used["left"][points["left"][used["left"], 0].argmax()])
    shown = [
        windows(found) for more in ([], [far]) if (found := cortex(surface("fsaverage5", left + more, right), None))
    ]
    assert shown[0] == shown[1]
    assert shown[0]["left"].size == shown[0]["right"].size
    assert shown[0]["left"].size == pytest.approx((100, 100), abs=6)
    for side in SIDES:
        middle = np.asarray(shown[0][side].low) + np.asarray(shown[0][side].size) / 2
        assert middle == pytest.approx(centres[side], abs=4)
