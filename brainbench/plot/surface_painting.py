"""Colours on a sheet: the flat map, and the inflated cortex seen from a side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from matplotlib.axes import Axes
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from brainbench.plot.colours import BARE, BARE_SULCUS
from brainbench.plot.meshes import SIDES, Cortex, Sheet
from brainbench.plot.raster import raster

_MARGIN = 10.0  # mm of bare cortex shown around the voxels
_ISLAND = 0.03  # a smaller share of a flat map's voxels, far from the others, does not widen the window
_EMPTY = 100.0  # mm shown of a side without voxels
_PIXEL = {2: 0.25, 3: 0.5}  # mm; of flat and of inflated sheets: about 250 dots per inch in print
# (azimuth, elevation) in degrees from which a side is seen, for the left; the right is mirrored.
VIEWS: Mapping[str, tuple[float, float]] = {"lateral": (180, 0), "medial": (0, 0), "ventral": (180, -80)}


@dataclass(frozen=True)
class Window:
    """The visible part of a flat map: (x, y) of its lower left corner, width and height, in mm."""

    low: tuple[float, float]
    size: tuple[float, float]


def windows(cortex: Cortex) -> dict[str, Window]:
    """Return side -> window, of one size on both sides, around the voxels."""
    boxes = {side: _box(cortex, side) for side in SIDES}
    size = np.max([high - low for low, high in boxes.values()], axis=0)
    lows = {side: (low + high - size) / 2 for side, (low, high) in boxes.items()}
    return {
        side: Window((float(low[0]), float(low[1])), (float(size[0]), float(size[1]))) for side, low in lows.items()
    }


def flat(axes: Axes, sheet: Sheet, painted: np.ndarray, window: Window) -> None:
    """Paint a flat map; painted: [n, 3] on its vertices, NaN without a voxel."""
    (left, bottom), (width, height) = window.low, window.size
    image = _coloured(sheet, _flat_raster(sheet, window), painted, None)
    _show(axes, image, (left, left + width, bottom, bottom + height))


def inflated(axes: Axes, sheet: Sheet, side: str, view: str, painted: np.ndarray) -> None:
    """Paint an inflated cortex as seen from one of ``VIEWS``; painted: [n, 3], NaN without a voxel."""
    seen, light = _view_raster(sheet, side, view)
    _show(axes, _coloured(sheet, seen, painted, light), (0, seen.shape[1], 0, seen.shape[0]))


@lru_cache(maxsize=8)
def neighbours(sheet: Sheet) -> sparse.csr_matrix:
    """Return [n, n]: 1 where two vertices share an edge."""
    edges = np.concatenate([sheet.faces[:, [0, 1]], sheet.faces[:, [1, 2]], sheet.faces[:, [2, 0]]])
    edges = np.concatenate([edges, edges[:, ::-1]])
    count = len(sheet.points)
    matrix = sparse.csr_matrix((np.ones(len(edges)), (edges[:, 0], edges[:, 1])), shape=(count, count))
    matrix.data[:] = 1
    return matrix


def _box(cortex: Cortex, side: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the lower left and upper right corner around the voxels of a side, without small islands far from the others."""
    sheet = cortex.flat[side]
    voxel = np.isfinite(cortex.spread(np.ones(len(cortex.surface.vertex)), side, sheet))
    voxel[np.setdiff1d(np.arange(len(voxel)), sheet.faces)] = False  # cut out of the flat map
    rows = np.flatnonzero(voxel)
    if not len(rows):
        middle = sheet.points[np.unique(sheet.faces)].mean(axis=0)
        return middle - _EMPTY / 2, middle + _EMPTY / 2
    _, part = connected_components(neighbours(sheet)[rows][:, rows], directed=False)
    points = sheet.points[rows[np.bincount(part)[part] >= _ISLAND * len(rows)]]
    points = points if len(points) else sheet.points[rows]
    return points.min(axis=0) - _MARGIN, points.max(axis=0) + _MARGIN


@lru_cache(maxsize=16)
def _flat_raster(sheet: Sheet, window: Window) -> np.ndarray:
    low, size = np.asarray(window.low), np.asarray(window.size)
    corners = sheet.points[sheet.faces]
    inside = np.flatnonzero(((corners.max(axis=1) > low) & (corners.min(axis=1) < low + size)).all(axis=1))
    columns, rows = np.ceil(size / _PIXEL[2]).astype(int)
    found = raster(corners[inside], low, (int(rows), int(columns)), _PIXEL[2])
    return _of_all_faces(found, inside)


@lru_cache(maxsize=16)
def _view_raster(sheet: Sheet, side: str, view: str) -> tuple[np.ndarray, np.ndarray]:
    """([rows, columns] as ``raster``; the light on every face, [f])."""
    seen = sheet.points @ _camera(side, view)
    corners = seen[sheet.faces]
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    facing = normal[:, 2] / np.maximum(np.linalg.norm(normal, axis=1), 1e-12)
    # What looks away is hidden; of the rest, the nearer covers the farther.
    order = np.argsort(corners[:, :, 2].mean(axis=1), kind="stable")
    order = order[facing[order] > 0]
    low, high = seen[:, :2].min(axis=0), seen[:, :2].max(axis=0)
    columns, rows = np.ceil((high - low) / _PIXEL[3]).astype(int) + 1
    found = raster(corners[order][:, :, :2], low, (int(rows), int(columns)), _PIXEL[3])
    return _of_all_faces(found, order), 0.65 + 0.35 * np.clip(facing, 0, 1)


def _of_all_faces(found: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Return the result of ``raster`` for some faces, by their numbers among all faces."""
    return np.where(found >= 0, 3 * faces[found // 3] + found % 3, -1)


def _coloured(sheet: Sheet, seen: np.ndarray, painted: np.ndarray, light: np.ndarray | None) -> np.ndarray:
    """[rows, columns, 4], transparent where there is no cortex."""
    filled = _without_holes(sheet, painted)
    bare = np.where(sheet.sulci[:, None], BARE_SULCUS, BARE)
    colours = np.where(np.isfinite(filled), filled, bare)
    image = colours[sheet.faces.ravel()[seen]]
    if light is not None:
        image = image * light[seen // 3][..., None]
    return np.concatenate([image, (seen >= 0)[..., None]], axis=2)


def _without_holes(sheet: Sheet, painted: np.ndarray) -> np.ndarray:
    """Give a vertex without a voxel the mean colour of its neighbours if four of its five or six neighbours have one."""
    voxel = np.isfinite(painted[:, 0])
    near = neighbours(sheet)
    count = near @ voxel.astype(float)
    hole = ~voxel & (count >= 4)
    mean = (near @ np.where(voxel[:, None], painted, 0)) / np.maximum(count, 1)[:, None]
    return np.where(hole[:, None], mean, painted)


def _camera(side: str, view: str) -> np.ndarray:
    """[3, 3]: (x right, y forward, z up) in mm -> (right, up, towards the eye) on the page."""
    azimuth, elevation = np.deg2rad(VIEWS[view])
    if side == SIDES[1]:
        azimuth = np.pi - azimuth
    eye = np.array([np.cos(azimuth) * np.cos(elevation), np.sin(azimuth) * np.cos(elevation), np.sin(elevation)])
    right = np.array([-np.sin(azimuth), np.cos(azimuth), 0.0])
    return np.stack([right, np.cross(eye, right), eye], axis=1)


def _show(axes: Axes, image: np.ndarray, extent: Sequence[float]) -> None:
    left, right, bottom, top = extent
    axes.imshow(image, origin="lower", extent=(left, right, bottom, top), interpolation="antialiased")
    axes.set_axis_off()
