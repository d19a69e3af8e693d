"""Challenge space, the vertices that the release has, within fsaverage; and the ROIs on it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from brainbench import DataError, Surface
from brainbench.datasets import canonical_roi, expect_shape, open_npy
from brainbench_nsd.algonauts.layout import CLASSES, SIDES, VERTICES, SubjectFolder
from brainbench_nsd.algonauts.mappings import read_mapping

Sides = Mapping[str, np.ndarray]


def read_vertices(folder: SubjectFolder, sizes: Mapping[str, int]) -> dict[str, np.ndarray]:
    """Side -> the vertices of fsaverage that challenge space consists of, ascending; sizes: side -> how many responses have.

    Raises DataError for a file that is missing, of another mesh or of another subject.
    """
    found = {}
    for side, size in sizes.items():
        path = folder.all_vertices(side)
        marks = open_npy(path)
        expect_shape(path, marks, (VERTICES,), f"a one for every vertex of fsaverage, {SIDES[side]} side, that is used")
        found[side] = np.flatnonzero(marks)
        if len(found[side]) != size:
            there = f"{path} marks {len(found[side])} vertices, but {folder.responses(side).name} has {size}"
            raise DataError(f"{there}: they are of different subjects; take both from one archive")
    return found


def surface_of(vertices: Sides) -> Surface:
    """Where the vertices of both sides, the left ones first, lie on fsaverage."""
    hemisphere = np.concatenate([np.full(len(vertex), SIDES[side]) for side, vertex in vertices.items()])
    return Surface("fsaverage", hemisphere, np.concatenate(list(vertices.values())))


def read_rois(folder: SubjectFolder, vertices: Sides) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    """(ROI name -> bool [V], V the vertices of both sides; notes): canonical names, both sides and all classes together.

    A mask that is not there is noted. Raises DataError for one that is of another subject, that has a number which its
    mapping does not name, or that says otherwise in fsaverage space than in challenge space.
    """
    rois: dict[str, np.ndarray] = {}
    total = sum(map(len, vertices.values()))
    paths = {(kind, side): folder.mask(side, kind, "challenge") for kind in CLASSES for side in vertices}
    there = [place for place, path in paths.items() if path.exists()]
    mappings = {kind: read_mapping(folder.mapping(kind)) for kind in dict.fromkeys(kind for kind, _ in there)}
    starts = dict(zip(vertices, np.cumsum([0, *map(len, vertices.values())]).tolist(), strict=False))
    for kind, side in there:
        numbers = _read_mask(folder, side, kind, vertices[side])
        _refuse_unnamed(paths[kind, side], numbers, mappings[kind], folder.mapping(kind))
        own = slice(starts[side], starts[side] + len(numbers))
        for number, name in mappings[kind].items():
            if number:  # 0 is no ROI
                rois.setdefault(canonical_roi(name), np.zeros(total, bool))[own] |= numbers == number
    absent = [path.name for place, path in paths.items() if place not in there]
    return rois, (f"no ROI mask {', '.join(absent)}",) if absent else ()


def _read_mask(folder: SubjectFolder, side: str, kind: str, vertex: np.ndarray) -> np.ndarray:
    """[V of this side] numbers."""
    path, other = folder.mask(side, kind, "challenge"), folder.mask(side, kind, "fsaverage")
    numbers = open_npy(path)
    if numbers.shape != vertex.shape:
        there = f"{path} has shape {numbers.shape}, but there are responses of {len(vertex)} vertices"
        raise DataError(f"{there}: it is of another subject or side; take it from this subject's archive")
    if other.exists():
        whole = open_npy(other)
        expect_shape(other, whole, (VERTICES,), f"a number for every vertex of fsaverage, {SIDES[side]} side")
        differing = int((whole[vertex] != numbers).sum())
        if differing:
            raise DataError(
                f"{path} and {other.name} differ at {differing} of {len(vertex)} vertices: one is of another subject; "
                "take both from this subject's archive"
            )
    return numbers


def _refuse_unnamed(path: Path, numbers: np.ndarray, names: Mapping[int, str], mapping: Path) -> None:
    strange = [number for number in np.unique(numbers).tolist() if number != 0 and number not in names]
    if strange:
        known = ", ".join(f"{number} {name}" for number, name in names.items())
        raise DataError(f"{path} has the number {strange[0]:g}, which {mapping.name} does not name ({known})")
