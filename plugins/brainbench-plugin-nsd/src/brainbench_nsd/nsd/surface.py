"""Betas on fsaverage: .mgh files, one a session and hemisphere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from brainbench import DataError, Surface
from brainbench.datasets import find_cortex
from brainbench_nsd.nsd.imaging import map_trials, read_vertices
from brainbench_nsd.nsd.labels import read_labels
from brainbench_nsd.nsd.layout import Layout
from brainbench_nsd.nsd.rois import CLASSES, GENERAL, join_rois
from brainbench_nsd.nsd.sessions import choose, surface_sessions
from brainbench_nsd.nsd.voxels import Voxels


def read_surface(layout: Layout, subject: str, settings: Mapping[str, Any]) -> Voxels:
    """One subject's vertices, left before right; DataError for what is missing, damaged or of another mesh."""
    folder = layout.betas(subject, "fsaverage", settings["betas"])
    there = surface_sessions(folder)
    sessions = {number: there[number] for number in choose(tuple(there), settings["sessions"], folder)}
    shapes = {path: map_trials(path).shape for pair in sessions.values() for path in pair}
    vertices = _same(shapes, axis=1, what="vertices")
    for pair in sessions.values():
        _same({path: shapes[path] for path in pair}, axis=0, what="trials")
    kept = _kept(layout, subject, vertices)
    labels = {name: _picked(read_labels(layout, subject, name, vertices), kept) for name in CLASSES}
    rois, notes = join_rois(layout, subject, labels)
    found = Voxels(
        where=folder,
        sessions=sessions,
        trials={number: shapes[pair[0]][0] for number, pair in sessions.items()},
        place=np.concatenate([kept["lh"], vertices + kept["rh"]]),
        read=lambda number: _read(sessions[number], kept),
        rois=rois,
        ncsnr=_ncsnr(folder, kept, vertices),
        notes=tuple(notes),
    )
    return _placed(found, layout, settings, vertices)


def _placed(found: Voxels, layout: Layout, settings: Mapping[str, Any], vertices: int) -> Voxels:
    """With coordinates, if there is a surface to take them from."""
    hemisphere, vertex = np.where(found.place < vertices, "left", "right"), found.place % vertices
    own = layout.fsaverage if (layout.fsaverage / "surf").is_dir() else ""
    cortex = find_cortex(settings["surface"] or str(own), vertices, settings["shape"], f"{found.where}")
    found = replace(found, surface=Surface("fsaverage", hemisphere, vertex))
    if cortex is None:
        fetch = "fetch nsddata/freesurfer/fsaverage/surf or give one with --set nsd.surface=PATH"
        return replace(found, flat=f"no fsaverage surface of {vertices:,} vertices a side ({fetch})")
    return replace(found, coordinates=cortex.coordinates(hemisphere, vertex))


def _read(pair: tuple[Path, Path], kept: Mapping[str, np.ndarray]) -> np.ndarray:
    """[trials, V] of one session; of the mapped files only what is picked is copied."""
    left, right = map(map_trials, pair)
    border = len(kept["lh"])
    values = np.empty((len(left), border + len(kept["rh"])), np.float32)
    values[:, :border] = left[:, kept["lh"]]
    values[:, border:] = right[:, kept["rh"]]
    return values


def _same(shapes: Mapping[Path, tuple[int, ...]], axis: int, what: str) -> int:
    """The number that all of them have; DataError naming two that differ."""
    (first, shape), *others = shapes.items()
    for path, other in others:
        if other[axis] != shape[axis]:
            raise DataError(f"{path} has {other[axis]:,} {what}, but {first} has {shape[axis]:,}: copy both again")
    return shape[axis]


def _kept(layout: Layout, subject: str, vertices: int) -> dict[str, np.ndarray]:
    """Side -> the vertices of nsdgeneral, ascending."""
    labels = read_labels(layout, subject, GENERAL, vertices)
    if labels is None:
        wanted = f"{layout.shared_labels}/{{lh,rh}}.{GENERAL}.mgz"
        raise DataError(
            f"no {wanted}, which says which vertices to read: fetch them from the release (docs/data/nsd.md)"
        )
    kept = {side: np.flatnonzero(numbers > 0) for side, numbers in labels.items()}
    if not sum(map(len, kept.values())):
        raise DataError(f"{GENERAL} of subject {subject} holds no vertex: copy its labels again")
    return kept


def _picked(labels: Mapping[str, np.ndarray] | None, kept: Mapping[str, np.ndarray]) -> np.ndarray | None:
    return None if labels is None else np.concatenate([labels[side][vertex] for side, vertex in kept.items()])


def _ncsnr(folder: Path, kept: Mapping[str, np.ndarray], vertices: int) -> np.ndarray | None:
    """[V]; None if there are no such files."""
    paths = {side: folder / f"{side}.ncsnr.mgh" for side in kept}
    missing = [path for path in paths.values() if not path.is_file()]
    if len(missing) == 1:
        raise DataError(f"no {missing[0]}, though its other hemisphere is there: both are needed")
    if missing:
        return None
    figures = {side: read_vertices(path) for side, path in paths.items()}
    for side, values in figures.items():
        if len(values) != vertices:
            raise DataError(
                f"{paths[side]} has {len(values):,} vertices, but the betas have {vertices:,}: copy both again"
            )
    return _picked(figures, kept)
