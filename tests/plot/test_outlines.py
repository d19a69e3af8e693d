from __future__ import annotations

import numpy as np
from cortices import planted

from brainbench.plot.meshes import SIDES, Cortex, cortex
from brainbench.plot.outlines import label_places, smoothed
from brainbench.plot.surface_painting import windows


def sheets() -> Cortex:
    found = cortex(planted().surface, None)
    assert found is not None
    return found


def masks(side: str) -> dict[str, np.ndarray]:
    there = sheets()
    return {name: there.spread(mask.astype(float), side, there.flat[side]) for name, mask in planted().rois.items()}


def disc() -> np.ndarray:
    """[n] 1 in a disc of the left flat map, 0 around it."""
    sheet = sheets().flat["left"]
    middle = sheet.points[sheet.faces].mean(axis=(0, 1))
    near = np.linalg.norm(sheet.points - middle, axis=1) < 25
    return (near & np.isin(np.arange(len(near)), sheet.faces)).astype(float)


def test_a_vertex_without_a_voxel_amid_a_roi_belongs_to_it() -> None:
    sheet, whole = sheets().flat["left"], disc()
    hole = int(np.flatnonzero(smoothed(sheet, whole) == 1)[0])
    torn = whole.copy()
    torn[hole] = np.nan
    np.testing.assert_array_equal(smoothed(sheet, torn), smoothed(sheet, whole))


def test_specks_and_holes_go_and_the_area_stays() -> None:
    sheet, whole = sheets().flat["left"], disc()
    rng = np.random.default_rng(0)
    noisy = whole.copy()
    inner = np.flatnonzero(smoothed(sheet, whole) > 0.95)
    noisy[rng.permutation(inner)[:5]] = 0
    noisy[rng.permutation(np.setdiff1d(sheet.faces, np.flatnonzero(whole)))[:20]] = 1
    inside = smoothed(sheet, noisy) > 0.5
    assert inside[inner].all()
    assert abs(inside.sum() - whole.sum()) < 0.08 * whole.sum()
    assert not inside[smoothed(sheet, whole) < 0.05].any()


def test_labels_lie_inside_and_apart_and_always_in_the_same_place() -> None:
    for side in SIDES:
        sheet, window = sheets().flat[side], windows(sheets())[side]
        rois = {name: smoothed(sheet, mask) > 0.5 for name, mask in masks(side).items()}
        places = label_places(sheet, rois, window)
        assert {name for name, _ in places} == set(planted().rois)
        assert places == label_places(sheet, dict(reversed(rois.items())), window)
        for name, place in places:
            vertex = np.linalg.norm(sheet.points - place, axis=1).argmin()
            assert rois[name][vertex]
        at = np.array([place for _, place in places])
        apart = np.abs(at[:, None] - at[None]) / (
            13.0,
            6.5,
        )  # half the size of a word: two labels of this distance overlap
        assert (apart.max(axis=2) + 9 * np.eye(len(at)) > 1).all()


def test_a_roi_out_of_sight_has_no_label() -> None:
    sheet, window = sheets().flat["left"], windows(sheets())["left"]
    gone = sheet.points[:, 0] < window.low[0] - 20
    assert label_places(sheet, {"far": gone, "none": np.zeros(len(gone), bool)}, window) == []
