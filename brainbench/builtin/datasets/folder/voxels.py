"""Facts about voxels as they lie in the files: responses, coordinates, ROIs, noise ceiling."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from brainbench import DataError
from brainbench.builtin.datasets.folder.arrays import expect_shape, open_npy
from brainbench.builtin.datasets.folder.layout import Layout
from brainbench.builtin.datasets.folder.rois import read_rois
from brainbench.builtin.datasets.folder.tables import read_numbers

RESPONSES = ("responses.npy", "responses.csv")


@dataclass(frozen=True)
class Voxels:
    """One subject's voxels, none left out yet.

    path: the file of the responses; values: [R, V], mapped from it where it is .npy; coordinates: [V, 3] float32;
    rois: name -> bool [V]; noise_ceiling: [V] float32.
    """

    path: Path
    values: np.ndarray
    coordinates: np.ndarray | None = None
    rois: dict[str, np.ndarray] = field(default_factory=dict)
    noise_ceiling: np.ndarray | None = None


def read_voxels(layout: Layout, rows: int, source: str) -> Voxels | None:
    """Open what there is, or None without responses; ``source`` says in words why there should be ``rows`` rows.

    Raises DataError where shapes or voxel numbers do not fit the responses, and for coordinates or ceilings out of range.
    """
    path = layout.find(*RESPONSES)
    if path is None:
        return None
    values = open_npy(path) if path.suffix == ".npy" else read_numbers(path)
    _check_rows(path, values, rows, source)
    voxels = values.shape[1]
    rois = layout.find("rois.csv")
    return Voxels(
        path=path,
        values=values,
        coordinates=_coordinates(layout.find("coordinates.npy"), voxels),
        rois=read_rois(rois, voxels) if rois else {},
        noise_ceiling=_noise_ceiling(layout.find("noise_ceiling.npy"), voxels),
    )


def _check_rows(path: Path, values: np.ndarray, rows: int, source: str) -> None:
    if values.ndim != 2:
        raise DataError(f"{path} has shape {values.shape}, expected two axes: stimuli x voxels")
    if len(values) != rows:
        hint = "; it looks transposed: save it as stimuli x voxels" if values.shape[1] == rows else ""
        raise DataError(f"{path} has {len(values)} rows (shape {values.shape}), but there are {source}{hint}")


def _coordinates(path: Path | None, voxels: int) -> np.ndarray | None:
    if path is None:
        return None
    coordinates = open_npy(path)
    expect_shape(path, coordinates, (voxels, 3), f"x, y, z in mm of each of the {voxels} voxels")
    bad = np.flatnonzero(~np.isfinite(coordinates).all(axis=1))
    if bad.size:
        raise DataError(
            f"{path}: {bad.size} voxels without finite coordinates, the first is {bad[0]}; give all or no file"
        )
    return coordinates.astype(np.float32)


def _noise_ceiling(path: Path | None, voxels: int) -> np.ndarray | None:
    if path is None:
        return None
    ceiling = open_npy(path)
    expect_shape(path, ceiling, (voxels,), f"one share of explainable variance for each of the {voxels} voxels")
    bad = np.flatnonzero(~((ceiling >= 0) & (ceiling <= 1)))
    if bad.size:
        raise DataError(
            f"{path}: {bad.size} voxels outside 0..1, the first is voxel {bad[0]} with {ceiling[bad[0]]:g}; "
            "the ceiling is a share (divide percent by 100), 0 for a voxel without signal"
        )
    return ceiling.astype(np.float32)
