"""Facts about voxels as they lie in the files: responses, coordinates, ROIs, noise ceiling."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from brainbench import DataError
from brainbench.builtin.datasets.folder.layout import Layout
from brainbench.datasets import (
    ArraySource,
    Ledger,
    NpySource,
    Source,
    expect_shape,
    open_npy,
    read_numbers,
    read_rois,
)

RESPONSES = ("responses.npy", "responses.csv")


@dataclass(frozen=True)
class Voxels:
    """One subject's voxels, none left out yet.

    source: [R, V] responses; coordinates: [V, 3] float32; rois: name -> bool [V]; noise_ceiling: [V] float32.
    """

    source: Source
    coordinates: np.ndarray | None = None
    rois: dict[str, np.ndarray] = field(default_factory=dict)
    noise_ceiling: np.ndarray | None = None


def read_voxels(layout: Layout, rows: int, reason: str, ledger: Ledger) -> Voxels | None:
    """Open what there is, or None without responses; ``reason`` says in words why there should be ``rows`` rows.

    Raises DataError where shapes or voxel numbers do not fit the responses, and for coordinates or ceilings out of range.
    """
    path = layout.find(*RESPONSES)
    if path is None:
        return None
    values = open_npy(path) if path.suffix == ".npy" else read_numbers(path)
    _check_rows(path, values, rows, reason)
    voxels = values.shape[1]
    rois = layout.find("rois.csv")
    return Voxels(
        source=_source(path, values, ledger),
        coordinates=_coordinates(layout.find("coordinates.npy"), voxels),
        rois=read_rois(rois, voxels) if rois else {},
        noise_ceiling=_noise_ceiling(layout.find("noise_ceiling.npy"), voxels),
    )


def _source(path: Path, values: np.ndarray, ledger: Ledger) -> Source:
    key = ledger.digest(path)
    return NpySource(key, (path,)) if path.suffix == ".npy" else ArraySource(key, path, (values,))


def _check_rows(path: Path, values: np.ndarray, rows: int, reason: str) -> None:
    if values.ndim != 2:
        raise DataError(f"{path} has shape {values.shape}, expected two axes: stimuli x voxels")
    if len(values) != rows:
        hint = "; it looks transposed: save it as stimuli x voxels" if values.shape[1] == rows else ""
        raise DataError(f"{path} has {len(values)} rows (shape {values.shape}), but there are {reason}{hint}")


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
