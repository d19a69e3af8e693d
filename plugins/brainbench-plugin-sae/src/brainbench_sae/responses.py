"""Responses as units are compared with them: one row an image, the mean over its trials."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from brainbench import DataError, Responses
from brainbench_sae.tokens import Rows

# Numbers in one block of trials: 64 MB of float32.
_BLOCK = 1 << 24


@dataclass(frozen=True)
class ByImage:
    """Mean responses of n images.

    images: [n] row numbers of the features, ascending; trials: [n], how many each image has; values: [n, V] float32.
    """

    images: Rows
    trials: NDArray[np.float64]
    values: NDArray[np.float32]


def by_image(responses: Responses) -> ByImage:
    """Average the trials of every train and val image. Raises DataError if a response is not finite."""
    trials = np.flatnonzero(responses.split != "test")
    images, shown, seen = np.unique(responses.stimulus[trials], return_inverse=True, return_counts=True)
    voxels = responses.values.shape[1]
    values = np.zeros((len(images), voxels), np.float32)
    bad = np.zeros(voxels, bool)
    step = max(1, _BLOCK // max(1, voxels))
    for start in range(0, len(trials), step):
        some = slice(start, start + step)
        block = np.asarray(responses.values[trials[some]], np.float32)
        bad |= ~np.isfinite(block).all(axis=0)
        np.add.at(values, shown[some], block)
    if bad.any():
        raise DataError(
            f"subject {responses.subject}: {int(bad.sum())} of {voxels} voxels hold NaN or infinity in the train or val split, "
            f"the first is voxel {int(np.flatnonzero(bad)[0])}; leave these voxels out of the dataset"
        )
    values /= seen[:, None].astype(np.float32)
    return ByImage(images, seen.astype(np.float64), values)
