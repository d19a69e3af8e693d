"""Finds numbers that stand for missing ones, such as -9999, 1e20 or netCDF's 9.97e36: one of them spoils a voxel's score."""

from __future__ import annotations

import numpy as np

from brainbench.datasets.sources import Source, in_blocks

_CODES = np.array(
    [-99999, -9999, -999, 999, 9999, 99999, -(2.0**15), 2.0**15 - 1, 2.0**16 - 1, -(2.0**31), 2.0**31 - 1], np.float32
)
_HUGE = 1e10  # beyond what is measured in any unit, unless most of a voxel is
_FAR = 20  # standard deviations of the other values, beyond which a code is no measurement


def ends(source: Source, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The least and the greatest value of every voxel, [V] each."""
    least = np.full(source.shape[1], np.inf, np.float32)
    most = -least
    for _, values in source.blocks(rows):
        least, most = np.fmin(least, values.min(axis=0)), np.fmax(most, values.max(axis=0))
    return least, most


def stand_ins(source: Source, rows: np.ndarray, least: np.ndarray, most: np.ndarray) -> np.ndarray:
    """[V] the value that stands for a missing one in each voxel, NaN where there is none. least, most: as ``ends`` gives them.

    That is a usual code, or a value of 1e10 or more where most are less, at an end of the voxel's range and further than 20
    standard deviations from the mean of its other values.
    """
    found = np.full(source.shape[1], np.nan, np.float32)
    suspects = np.flatnonzero(_coded(least) | _coded(most))
    for voxels in in_blocks(suspects, max(1, len(rows))):
        parts = [values[:, voxels] for _, values in source.blocks(rows)]
        found[voxels] = [_stand_in(column) for column in np.vstack(parts).T.astype(np.float64)]
    return found


def _coded(values: np.ndarray) -> np.ndarray:
    finite = np.isfinite(values)
    return np.asarray(finite & (np.isin(values.astype(np.float32), _CODES) | (np.abs(values) >= _HUGE)))


def _stand_in(column: np.ndarray) -> float:
    coded = _coded(column)
    others = column[~coded & np.isfinite(column)]
    ends = [value for value in (column.min(), column.max()) if _coded(np.array([value]))[0]]
    if not len(others) or not ends:
        return np.nan
    far = max(ends, key=lambda value: abs(value - others.mean()))
    if not np.isin(np.float32(far), _CODES) and 2 * len(others) < len(column):
        return np.nan
    return float(far) if abs(far - others.mean()) > _FAR * others.std() else np.nan
