"""Colours on a sheet: the flat map, and the inflated cortex seen from a side, with ROI outlines."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.patheffects import withStroke
from matplotlib.tri import Triangulation

from brainbench.plot.colours import NO_VOXEL
from brainbench.plot.meshes import SIDES, sheet, spread
from brainbench.types import Surface

_MARGIN = 12.0  # mm of bare cortex shown around the voxels
# (azimuth, elevation) in degrees from which a side is seen, for the left; the right is mirrored.
VIEWS: Mapping[str, tuple[float, float]] = {
    "lateral": (180, 0),
    "medial": (0, 0),
    "ventral": (180, -80),
    "posterior": (-90, 0),
}


def flat(axes: Axes, side: str, colours: np.ndarray, surface: Surface, rois: Mapping[str, np.ndarray]) -> None:
    """Paint the flat map of one side; colours: [V, 3]; rois are outlined and named."""
    one, painted = sheet(side), spread(colours, surface, side)
    axes.add_collection(_faces(one.flat[one.flat_faces], one.flat_faces, painted, one.sulci, 1.0))
    there = one.flat[np.isfinite(painted[:, 0])]
    if len(there):
        low, high = there.min(axis=0) - _MARGIN, there.max(axis=0) + _MARGIN
        axes.set_xlim(low[0], high[0])
        axes.set_ylim(low[1], high[1])
    mesh = Triangulation(one.flat[:, 0], one.flat[:, 1], one.flat_faces)
    for name, mask in rois.items():
        inside = np.nan_to_num(spread(mask.astype(float), surface, side))
        if inside.any():
            axes.tricontour(mesh, inside, levels=[0.5], colors="white", linewidths=1.4)
            axes.tricontour(mesh, inside, levels=[0.5], colors="black", linewidths=0.6)
            _name(axes, name, one.flat[_middle(one.flat, inside > 0)])
    axes.set_aspect("equal")
    axes.set_axis_off()


def inflated(axes: Axes, side: str, view: str, colours: np.ndarray, surface: Surface) -> None:
    """Paint the inflated cortex of one side from one of ``VIEWS``; colours: [V, 3]."""
    one, painted = sheet(side), spread(colours, surface, side)
    seen = one.inflated @ _camera(side, view)
    corners = seen[one.faces]
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    facing = normal[:, 2] / np.maximum(np.linalg.norm(normal, axis=1), 1e-12)
    # What looks away is hidden; the rest is drawn from far to near.
    order = np.argsort(corners[:, :, 2].mean(axis=1))
    order = order[facing[order] > 0]
    light = (0.65 + 0.35 * facing[order])[:, None]
    axes.add_collection(_faces(corners[order][:, :, :2], one.faces[order], painted, one.sulci, light))
    axes.autoscale_view()
    axes.set_aspect("equal")
    axes.set_axis_off()


def _camera(side: str, view: str) -> np.ndarray:
    """[3, 3]: (x right, y forward, z up) in mm -> (right, up, towards the eye) on the page."""
    azimuth, elevation = np.deg2rad(VIEWS[view])
    if side == SIDES[1]:
        azimuth = np.pi - azimuth
    eye = np.array([np.cos(azimuth) * np.cos(elevation), np.sin(azimuth) * np.cos(elevation), np.sin(elevation)])
    right = np.array([-np.sin(azimuth), np.cos(azimuth), 0.0])
    return np.stack([right, np.cross(eye, right), eye], axis=1)


def _faces(
    corners: np.ndarray, faces: np.ndarray, painted: np.ndarray, sulci: np.ndarray, light: float | np.ndarray
) -> PolyCollection:
    """A face has the mean colour of its voxels if two of its corners have one, else that of bare cortex."""
    bare = np.where(sulci[:, None], NO_VOXEL - 0.08, NO_VOXEL)
    voxel = np.isfinite(painted[:, 0])
    count = voxel[faces].sum(axis=1)
    total = np.where(voxel[:, None], painted, 0)[faces].sum(axis=1)
    mean = total / np.maximum(count, 1)[:, None]
    colours = np.clip(np.where((count >= 2)[:, None], mean, bare[faces].mean(axis=1)) * light, 0, 1)
    # Thousands of triangles: as pixels inside a vector figure, whose text and outlines stay vectors.
    return PolyCollection(list(corners), facecolors=colours, edgecolors=colours, linewidths=0.25, rasterized=True)


def _middle(points: np.ndarray, inside: np.ndarray) -> int:
    """The vertex of a region that is nearest to its middle."""
    rows = np.flatnonzero(inside)
    return int(rows[np.square(points[rows] - np.median(points[rows], axis=0)).sum(axis=1).argmin()])


def _name(axes: Axes, name: str, place: np.ndarray) -> None:
    outline = [withStroke(linewidth=2, foreground="white")]
    axes.text(place[0], place[1], name, fontsize=7, ha="center", va="center", path_effects=outline, clip_on=True)
