"""Responses as the regressions read them: one row an image, standardised. n images, V voxels, R trials."""

from __future__ import annotations

import numpy as np

from brainbench import DataError, Responses
from brainbench_ridge.kernels import Floats, Moments, Rows, root

# Numbers in one block of responses: 64 MB of float32.
_BLOCK = 1 << 24


def by_image(responses: Responses, trials: Rows, shown: Rows, seen: Rows) -> tuple[Floats, Floats, Floats]:
    """(y [n, V], mean [V], sd [V]), read block by block.

    trials: rows of the responses; shown: which of the n images each of them is of; seen: [n], the trials of each image. A row of
    y is the mean over the image's trials, times the root of their number. Raises DataError when responses are not finite.
    """
    voxels = responses.values.shape[1]
    size, moments = max(1, _BLOCK // max(1, voxels)), Moments()
    bad = np.zeros(voxels, dtype=bool)
    for start in range(0, len(trials), size):
        block = _values(responses, trials[start : start + size])
        bad |= ~np.isfinite(block).all(axis=0)
        moments.add(block, np.ones(len(block), dtype=np.int64))
    if bad.any():
        raise DataError(
            f"subject {responses.subject}: {int(bad.sum())} of {len(bad)} voxels hold NaN or infinity in the train or val "
            f"split, the first is voxel {int(np.flatnonzero(bad)[0])}; leave these voxels out of the dataset"
        )
    mean, sd = moments.scale
    order, first = np.argsort(shown, kind="stable"), np.cumsum(seen) - seen
    y = np.empty((len(seen), voxels), dtype=np.float32)
    step = max(1, size // int(seen.max()))
    for start in range(0, len(seen), step):
        images = slice(start, min(start + step, len(seen)))
        begin, end = first[start], first[images.stop - 1] + seen[images.stop - 1]
        block = (_values(responses, trials[order[begin:end]]) - mean) / sd
        y[images] = np.add.reduceat(block, first[images] - begin, axis=0) / root(seen[images])
    return y, mean, sd


def _values(responses: Responses, rows: Rows) -> Floats:
    return np.asarray(responses.values[rows], dtype=np.float32)
