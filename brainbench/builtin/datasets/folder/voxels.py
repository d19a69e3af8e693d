"""Facts about voxels as they lie in the files: responses, coordinates, ROIs, noise ceiling."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from brainbench import DataError, Surface
from brainbench.builtin.datasets.folder.ceiling import read_ceiling
from brainbench.builtin.datasets.folder.layout import CEILING, COORDINATES, Layout
from brainbench.builtin.datasets.folder.responses import read_responses
from brainbench.builtin.datasets.folder.rois import read_regions
from brainbench.builtin.datasets.folder.space import Vertices, read_space
from brainbench.builtin.datasets.folder.stimuli import Seen
from brainbench.datasets import Ledger, Source, expect_shape, open_npy


@dataclass(frozen=True)
class Voxels:
    """One subject's voxels, none left out yet.

    source: [R, V] responses; coordinates: [V, 3] float32; rois: name -> bool [V]; noise_ceiling: [V] float32, as a file gives it.
    """

    source: Source
    coordinates: np.ndarray | None = None
    rois: dict[str, np.ndarray] = field(default_factory=dict)
    noise_ceiling: np.ndarray | None = None
    surface: Surface | None = None


def read_voxels(layout: Layout, seen: Seen, mesh: str | None, ledger: Ledger) -> Voxels | None:
    """Open what there is, or None without responses; ``mesh``: named in ``dataset.toml``.

    Raises DataError where shapes or voxel numbers do not fit the responses, and for coordinates or ceilings out of range.
    """
    if not layout.has_responses():
        return None
    space = read_space(layout, mesh)
    source = read_responses(layout, seen.sessions, space, ledger)
    voxels = source.shape[1]
    ceiling, table = layout.find(*CEILING), layout.find(*COORDINATES)
    coordinates = None if space is None else space.coordinates
    return Voxels(
        source=source,
        coordinates=_coordinates(table, voxels) if table else coordinates,
        rois=read_regions(layout, voxels, space),
        noise_ceiling=read_ceiling(ceiling, voxels) if ceiling else None,
        surface=space.surface if isinstance(space, Vertices) else None,
    )


def _coordinates(path: Path, voxels: int) -> np.ndarray:
    coordinates = open_npy(path)
    expect_shape(path, coordinates, (voxels, 3), f"x, y, z in mm of each of the {voxels} voxels")
    bad = np.flatnonzero(~np.isfinite(coordinates).all(axis=1))
    if bad.size:
        raise DataError(
            f"{path}: {bad.size} voxels without finite coordinates, the first is {bad[0]}; give all or no file"
        )
    return coordinates.astype(np.float32)
