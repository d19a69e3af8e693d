"""ROIs on a flat map: smooth outlines and readable labels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke
from matplotlib.tri import Triangulation
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from brainbench.plot.meshes import Sheet
from brainbench.plot.surface_painting import Window, neighbours

_BEHIND = {"boxstyle": "round,pad=0.12", "facecolor": "white", "alpha": 0.8, "edgecolor": "none"}
_SMOOTHING = 2  # steps of averaging with the neighbours
_SPECK = 0.25  # a smaller part of a ROI has no outline of its own
_APART = np.array([26.0, 13.0])  # mm between labels, across and up: the size of a word on the page
_EDGE = 7.0  # mm that a label stays away from the window's edge


def outline(axes: Axes, sheet: Sheet, rois: Mapping[str, np.ndarray], window: Window) -> None:
    """Draw and name ROIs; rois: name -> [n] on the sheet's vertices: 1 inside, 0 outside, NaN without a voxel."""
    mesh = Triangulation(sheet.points[:, 0], sheet.points[:, 1], sheet.faces)
    smooth = {name: smoothed(sheet, values) for name, values in rois.items() if np.nansum(values) > 0}
    for inside in smooth.values():
        if inside.max() > 0.5:
            lines = axes.tricontour(mesh, inside, levels=[0.5], colors="black", linewidths=0.7)
            lines.set_path_effects([withStroke(linewidth=1.7, foreground="white")])
    # Contours are of the whole sheet.
    (left, bottom), (width, height) = window.low, window.size
    axes.set(xlim=(left, left + width), ylim=(bottom, bottom + height))
    masks = {name: inside > 0.5 for name, inside in smooth.items()}
    for name, (x, y) in label_places(sheet, masks, window):
        # A white halo along the letters would turn them into outlines in svg.
        axes.text(x, y, name, fontsize=7, ha="center", va="center", bbox=_BEHIND, clip_on=True)


def smoothed(sheet: Sheet, values: np.ndarray) -> np.ndarray:
    """Smooth a mask, [n] in 0..1: fill vertices without a voxel from their neighbours, average over neighbours, drop specks."""
    near = neighbours(sheet)
    known = np.isfinite(values)
    count = near @ known.astype(float)
    around = (near @ np.where(known, values, 0)) / np.maximum(count, 1)
    inside = np.where(known, values, np.where(count >= 4, around, 0))
    degree = np.maximum(np.asarray(near.sum(axis=1)).ravel(), 1)
    for _ in range(_SMOOTHING):
        inside = (inside + (near @ inside) / degree) / 2
    parts = list(_parts(sheet, inside > 0.5))
    for part in parts:
        if len(part) < _SPECK * max(map(len, parts)):
            inside[part] = 0.49
    return np.asarray(inside)


def label_places(sheet: Sheet, rois: Mapping[str, np.ndarray], window: Window) -> list[tuple[str, tuple[float, float]]]:
    """(name, (x, y)) of every part of a ROI: deep inside it, away from the labels set before; the smallest is set first.

    rois: name -> bool [n]. A part that the window does not show has no label.
    """
    low, high = np.asarray(window.low) + _EDGE, np.asarray(window.low) + np.asarray(window.size) - _EDGE
    shown = ((sheet.points >= low) & (sheet.points <= high)).all(axis=1)
    rim, on_map = _rim(sheet), np.unique(sheet.faces)
    borders = {
        name: sheet.points[np.union1d(rim, np.setdiff1d(on_map, np.flatnonzero(mask), assume_unique=True))]
        for name, mask in rois.items()
    }
    parts = [(name, part) for name, mask in rois.items() for part in _parts(sheet, mask)]
    places: list[tuple[str, tuple[float, float]]] = []
    for name, part in sorted(parts, key=lambda item: (len(item[1]), item[0])):
        candidates = sheet.points[part[shown[part]]]
        if not len(candidates):
            continue
        depth = cKDTree(borders[name]).query(candidates)[0]
        score = depth / max(depth.max(), 1e-9)
        for _, other in places:
            apart = np.linalg.norm((candidates - other) / _APART, axis=1)
            score = score - 3 * np.clip(1 - apart, 0, None)
        x, y = candidates[score.argmax()]
        places.append((name, (float(x), float(y))))
    return places


def _parts(sheet: Sheet, mask: np.ndarray) -> Iterator[np.ndarray]:
    """The vertices of every connected part of a mask."""
    rows = np.intersect1d(np.flatnonzero(mask), sheet.faces)
    count, part = connected_components(neighbours(sheet)[rows][:, rows], directed=False)
    for number in range(count):
        yield rows[part == number]


@lru_cache(maxsize=4)
def _rim(sheet: Sheet) -> np.ndarray:
    """Vertices on the edge of the sheet: an edge of a single face ends there."""
    edges = np.sort(np.concatenate([sheet.faces[:, [0, 1]], sheet.faces[:, [1, 2]], sheet.faces[:, [2, 0]]]), axis=1)
    found, count = np.unique(edges, axis=0, return_counts=True)
    return np.unique(found[count == 1])
