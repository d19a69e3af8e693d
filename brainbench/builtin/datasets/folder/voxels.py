"""Facts about voxels as they lie in the files: responses, coordinates, ROIs, noise ceiling."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from brainbench import DataError, Surface
from brainbench.builtin.datasets.folder.ceiling import read_ceiling
from brainbench.builtin.datasets.folder.layout import CEILING, COORDINATES, ROIS, Layout
from brainbench.builtin.datasets.folder.matrices import MatrixSource
from brainbench.builtin.datasets.folder.responses import read_responses, turned
from brainbench.builtin.datasets.folder.rois import read_regions, turned_rois
from brainbench.builtin.datasets.folder.space import Space, Vertices, read_space
from brainbench.builtin.datasets.folder.stimuli import Seen
from brainbench.builtin.datasets.folder.unread import refuse_unread_responses
from brainbench.datasets import Ledger, expect_shape, open_npy


@dataclass(frozen=True)
class Voxels:
    """One subject's voxels, none left out yet.

    source: [R, V] responses; coordinates: [V, 3] float32; rois: name -> bool [V]; noise_ceiling: [V] float32, as a file gives it;
    notes: what was decided.
    """

    source: MatrixSource
    coordinates: np.ndarray | None = None
    rois: dict[str, np.ndarray] = field(default_factory=dict)
    noise_ceiling: np.ndarray | None = None
    surface: Surface | None = None
    notes: tuple[str, ...] = ()


def read_voxels(layout: Layout, seen: Seen, mesh: str | None, ledger: Ledger) -> Voxels | None:
    """Open what there is, or None without responses; ``mesh``: named in ``dataset.toml``.

    Raises DataError where shapes or voxel numbers do not fit the responses, and for coordinates or ceilings out of range.
    """
    if not layout.has_responses():
        if len(layout.places) > 1:
            refuse_unread_responses(layout.places[0])
        return None
    space = read_space(layout, mesh)
    source = read_responses(layout, seen.sessions, space, ledger)
    voxels = source.shape[1]
    ceiling, table = layout.find(*CEILING), layout.find(*COORDINATES)
    coordinates = None if space is None else space.coordinates
    rois = read_regions(layout, voxels, space)
    return Voxels(
        source=source,
        coordinates=_coordinates(table, voxels) if table else coordinates,
        rois=rois,
        noise_ceiling=read_ceiling(ceiling, voxels) if ceiling else None,
        surface=space.surface if isinstance(space, Vertices) else None,
        notes=tuple(_notes(layout, source, space, rois)),
    )


def _notes(layout: Layout, source: MatrixSource, space: Space | None, rois: Mapping[str, np.ndarray]) -> Iterator[str]:
    others = [*turned(layout, space), *turned_rois(layout, space)]
    if others and space:
        names = ", ".join(path.name for path in others)
        yield f"{names}: axes reordered to those of {space.path.name}, by their affines"
    indexed = [side.path.name for sides in source.sessions for side in sides if side.indexed]
    if indexed:
        yield f"{', '.join(indexed)}: first column left out as an index"
    table = layout.find(*ROIS)
    named = np.flatnonzero(np.any([*rois.values()], axis=0)) if table and rois and not space else np.array([])
    last = source.shape[1] - 1
    if len(named) and named[-1] < last and len(named) == named[-1] + 1:
        yield f"{ROIS[0]} names voxels 0 to {named[-1]} without a gap, but there are voxels up to {last}: those are in no ROI"


def _coordinates(path: Path, voxels: int) -> np.ndarray:
    coordinates = open_npy(path)
    expect_shape(path, coordinates, (voxels, 3), f"x, y, z in mm of each of the {voxels} voxels")
    bad = np.flatnonzero(~np.isfinite(coordinates).all(axis=1))
    if bad.size:
        raise DataError(
            f"{path}: {bad.size} voxels without finite coordinates, the first is {bad[0]}; give all or no file"
        )
    return coordinates.astype(np.float32)
