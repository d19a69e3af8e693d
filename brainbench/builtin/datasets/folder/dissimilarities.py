"""Measured dissimilarities between the stimuli: ``dissimilarities.npy``."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from brainbench import DataError
from brainbench.builtin.datasets.folder.layout import MATRICES, Layout
from brainbench.datasets import open_npy


def count_matrices(path: Path) -> int:
    """For how many subjects the file holds a matrix; DataError unless its shape is [S, S] or [subjects, S, S]."""
    shape = open_npy(path).shape
    if len(shape) not in (2, 3) or shape[-1] != shape[-2]:
        raise DataError(f"{path} has shape {shape}, expected subjects x stimuli x stimuli")
    return shape[0] if len(shape) == 3 else 1


def read_matrix(layout: Layout, subjects: list[str], subject: str, stimuli: int) -> np.ndarray | None:
    """One subject's [S, S] float64, or None without the file.

    In the subject's own folder the file holds one matrix; one at the top holds one for each subject, in the order of
    the subjects. Raises DataError for another count or size, and for a matrix that is not finite and symmetric.
    """
    path = layout.find(*MATRICES)
    if path is None:
        return None
    own = len(layout.places) > 1 and path.parent == layout.places[0]
    names = [subject] if own else subjects
    found = count_matrices(path)
    if found != len(names):
        raise DataError(f"{path} holds {found} matrices, expected {len(names)}: one for each of {', '.join(names)}")
    array = open_npy(path)
    matrix = np.array(array[names.index(subject)] if array.ndim == 3 else array, np.float64)
    if len(matrix) != stimuli:
        raise DataError(f"{path} is about {len(matrix)} stimuli, but subject {subject} saw {stimuli}: one row an image")
    bad = np.argwhere(~np.isfinite(matrix))
    if len(bad):
        first, second = bad[0].tolist()
        hint = "; a stimulus differs from itself by 0" if first == second else ""
        raise DataError(
            f"{path}: the matrix of subject {subject} has {len(bad)} values that are not finite, the first at "
            f"[{first}, {second}]{hint}"
        )
    if not np.allclose(matrix, matrix.T):
        raise DataError(
            f"{path}: the matrix of subject {subject} is not symmetric; [i, j] must equal [j, i]: give both triangles"
        )
    return matrix
