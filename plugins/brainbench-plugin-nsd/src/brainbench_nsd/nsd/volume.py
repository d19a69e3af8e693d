"""Betas in the 1.8 mm volume: int16, 300 times the percent signal change, as .hdf5 or .nii.gz."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from brainbench import DataError
from brainbench_nsd.nsd.hdf5 import open_hdf5
from brainbench_nsd.nsd.imaging import open_nifti, read_values, read_volume
from brainbench_nsd.nsd.layout import SIDES, Layout
from brainbench_nsd.nsd.rois import CLASSES, GENERAL, join_rois
from brainbench_nsd.nsd.sessions import choose, volume_sessions
from brainbench_nsd.nsd.voxels import Voxels

SCALE = 300  # NSD data manual, "Functional data (NSD)"
_ARRAY, _AXES = "betas", "trials x Z x Y x X"  # the other way round than MATLAB shows them
_TRIALS = 50  # unpacked at once, some 70 MB


def read_voxels(layout: Layout, subject: str, settings: Mapping[str, Any]) -> Voxels:
    """One subject's voxels, in the order of their indices; DataError for what is missing, damaged or of another subject."""
    folder = layout.betas(subject, "func1pt8mm", settings["betas"])
    there = volume_sessions(folder)
    sessions = {number: there[number] for number in choose(tuple(there), settings["sessions"], folder)}
    general = layout.volume_rois(subject) / f"{GENERAL}.nii.gz"
    mask, affine = read_volume(general)
    place = np.argwhere(mask > 0)
    if not len(place):
        raise DataError(f"{general} holds no voxel of {GENERAL}: copy it again")
    shapes = {number: _shape(path) for number, path in sessions.items()}
    for number, path in sessions.items():
        _expect(path, shapes[number][:3], general, mask.shape)
    labels = {name: _labels(layout, subject, name, general, mask.shape, place) for name in CLASSES}
    rois, notes = join_rois(layout, subject, labels)
    return Voxels(
        where=folder,
        sessions={number: (path,) for number, path in sessions.items()},
        trials={number: shape[3] for number, shape in shapes.items()},
        place=place,
        read=lambda number: _read(sessions[number], shapes[number], place),
        rois=rois,
        ncsnr=_figures(folder / "ncsnr.nii.gz", general, mask.shape, place),
        coordinates=(place @ affine[:3, :3].T + affine[:3, 3]).astype(np.float32),
        notes=tuple(notes),
    )


def _shape(path: Path) -> tuple[int, int, int, int]:
    """(X, Y, Z, trials) of one session; DataError if it holds anything but int16."""
    if path.suffix == ".hdf5":
        with open_hdf5(path, _ARRAY, _AXES) as array:
            trials, z, y, x = array.shape
            kind = array.dtype
    else:
        image = open_nifti(path)
        if len(image.shape) != 4:
            raise DataError(f"{path} has shape {image.shape}, expected X x Y x Z x trials")
        (x, y, z, trials), kind = image.shape, image.get_data_dtype()
    if kind != np.int16:
        raise DataError(
            f"{path} holds {kind} values, expected NSD's own int16, {SCALE} times the percent signal change"
        )
    return x, y, z, trials


def _read(path: Path, shape: tuple[int, int, int, int], place: np.ndarray) -> np.ndarray:
    """[trials, V] float32 of one session, NaN where nothing was measured; a slab of the file is in memory besides."""
    values = np.empty((shape[3], len(place)), np.float32)
    if path.suffix == ".hdf5":
        low, high = place.min(axis=0), place.max(axis=0) + 1
        with open_hdf5(path, _ARRAY, _AXES) as array:
            for z in np.unique(place[:, 2]).tolist():
                here = np.flatnonzero(place[:, 2] == z)
                slab = array[:, z, low[1] : high[1], low[0] : high[0]]
                values[:, here] = slab[:, place[here, 1] - low[1], place[here, 0] - low[0]]
    else:
        image = open_nifti(path)
        for start in range(0, shape[3], _TRIALS):
            some = slice(start, start + _TRIALS)
            values[some] = read_values(path, image, (..., some))[tuple(place.T)].T
    values[:, ~values.any(axis=0)] = np.nan  # 0 throughout a session: nothing was measured there
    values /= SCALE
    return values


def _labels(
    layout: Layout, subject: str, name: str, general: Path, shape: tuple[int, ...], place: np.ndarray
) -> np.ndarray | None:
    """[V] numbers of one class from both sides' file, or from one a side; None if there are none."""
    folder = layout.volume_rois(subject)
    both = _figures(folder / f"{name}.nii.gz", general, shape, place)
    if both is not None:
        return both
    sides = {side: _figures(folder / f"{side}.{name}.nii.gz", general, shape, place) for side in SIDES}
    missing = [side for side, numbers in sides.items() if numbers is None]
    if len(missing) == 1:
        raise DataError(
            f"no {folder / missing[0]}.{name}.nii.gz, though its other hemisphere is there: both are needed"
        )
    there = [numbers for numbers in sides.values() if numbers is not None]
    return np.maximum(*there) if there else None


def _figures(path: Path, general: Path, shape: tuple[int, ...], place: np.ndarray) -> np.ndarray | None:
    """[V] from a volume, None if there is no such file."""
    if not path.is_file():
        return None
    values, _ = read_volume(path)
    _expect(path, values.shape, general, shape)
    return np.asarray(values[tuple(place.T)])


def _expect(path: Path, shape: tuple[int, ...], general: Path, expected: tuple[int, ...]) -> None:
    if shape != expected:
        found = f"{path} has {' x '.join(map(str, shape))} voxels, but {general} {' x '.join(map(str, expected))}"
        raise DataError(f"{found}: one of them is of another subject")
