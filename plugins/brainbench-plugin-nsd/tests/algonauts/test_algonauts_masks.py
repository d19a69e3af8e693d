from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

CLASSES = ("prf-visualrois", "floc-bodies", "floc-faces", "floc-places", "floc-words", "streams")
JOINED = {"V1v": "V1", "V1d": "V1", "V2v": "V2", "V2d": "V2", "V3v": "V3", "V3d": "V3"}
Load = Callable[..., Any]


def naive_rois(root: Path) -> dict[str, set[tuple[str, int]]]:
    """ROI -> (side, vertex of fsaverage), read from the fsaverage-space masks, vertex by vertex."""
    found: dict[str, set[tuple[str, int]]] = {}
    for kind in CLASSES:
        mapping = np.load(root / "subj01" / "roi_masks" / f"mapping_{kind}.npy", allow_pickle=True).item()
        for code, side in (("lh", "left"), ("rh", "right")):
            whole = np.load(root / "subj01" / "roi_masks" / f"{code}.{kind}_fsaverage_space.npy")
            for vertex, number in enumerate(whole.tolist()):
                if number:
                    name = mapping[number]
                    found.setdefault(JOINED.get(name, name), set()).add((side, vertex))
    return found


def test_rois_and_vertices_equal_a_naive_reading_of_fsaverage_space(made: Path, load: Load) -> None:
    responses = load(made).survey("1")
    there = {
        name: {
            (str(responses.surface.hemisphere[voxel]), int(responses.surface.vertex[voxel]))
            for voxel in range(len(mask))
            if mask[voxel]
        }
        for name, mask in responses.rois.items()
    }
    assert there == naive_rois(made)
    assert {"V1", "V2", "V3", "hV4", "EBA", "OFA", "OPA", "OWFA", "early"} <= there.keys()
    assert any(side == "left" for side, _ in there["V1"])
    assert any(side == "right" for side, _ in there["V1"])


def test_a_vertex_of_two_classes_is_in_two_rois(made: Path, load: Load) -> None:
    rois = load(made).survey("1").rois
    assert np.sum(list(rois.values()), axis=0).max() >= 2


def test_all_vertices_say_where_challenge_space_lies(made: Path, load: Load) -> None:
    surface = load(made).survey("1").surface
    expected = []
    for code, side in (("lh", "left"), ("rh", "right")):
        marks = np.load(made / "subj01" / "roi_masks" / f"{code}.all-vertices_fsaverage_space.npy")
        expected += [(side, vertex) for vertex, mark in enumerate(marks.tolist()) if mark == 1]
    assert list(zip(surface.hemisphere.tolist(), surface.vertex.tolist(), strict=True)) == expected
    assert surface.mesh == "fsaverage"


def test_what_is_absent_is_noted(root: Path, load: Load) -> None:
    masks = root / "subj01" / "roi_masks"
    for name in ("lh.floc-words_challenge_space.npy", "rh.floc-words_challenge_space.npy", "mapping_floc-words.npy"):
        (masks / name).unlink()
    for side in ("lh", "rh"):  # nobody's aTL-faces
        for space in ("challenge", "fsaverage"):
            path = masks / f"{side}.floc-faces_{space}_space.npy"
            numbers = np.load(path)
            np.save(path, np.where(numbers == 5, 0, numbers))
    responses = load(root).survey("1")
    assert {"OWFA", "aTL-faces"}.isdisjoint(responses.rois)
    assert "OFA" in responses.rois
    assert "no ROI mask lh.floc-words_challenge_space.npy, rh.floc-words_challenge_space.npy" in responses.notes
    assert "ROIs without a voxel left: aTL-faces" in responses.notes


def test_masks_of_one_side_only_give_rois_on_that_side(root: Path, load: Load) -> None:
    (root / "subj01" / "roi_masks" / "lh.streams_challenge_space.npy").unlink()
    responses = load(root).survey("1")
    assert set(responses.surface.hemisphere[responses.rois["early"]]) == {"right"}
