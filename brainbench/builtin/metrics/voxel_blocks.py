"""Figures of voxels, block by block: beside its inputs, a metric never holds more than a block in float64."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

# Numbers in one block, 32 MB of float64, and the most voxels in it.
FIGURES = 1 << 22
MOST = 2048


def blocks(rows: int, voxels: int) -> Iterator[slice]:
    """Slices of the voxels 0 to ``voxels - 1`` for arrays [rows, V]."""
    size = max(1, min(MOST, FIGURES // max(1, rows)))
    return (slice(start, min(start + size, voxels)) for start in range(0, voxels, size))


def by_block(
    figure: Callable[[np.ndarray, np.ndarray], np.ndarray], observed: np.ndarray, predicted: np.ndarray
) -> np.ndarray:
    """``figure(observed, predicted)`` [V] in float64, from arrays [N, V] that it sees a block of voxels at a time, in float64."""
    result = np.empty(observed.shape[1])
    for block in blocks(*observed.shape):
        result[block] = figure(observed[:, block].astype(np.float64), predicted[:, block].astype(np.float64))
    return result
