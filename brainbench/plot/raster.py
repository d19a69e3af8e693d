"""A sheet as pixels, computed once: the corner of a face that each pixel shows. Painting is then a look-up."""

from __future__ import annotations

import numpy as np


def raster(corners: np.ndarray, low: np.ndarray, shape: tuple[int, int], pixel: float) -> np.ndarray:
    """[rows, columns] of 3 face + corner, the corner nearest to the pixel; -1 where there is no face. Rows go upwards.

    corners: [f, 3, 2] in mm, of which a later face covers an earlier one; low: (x, y) of the lower left pixel; pixel: mm.
    """
    sides = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2).max(axis=1)
    # So close that every pixel inside a face holds a sample: a triangular grid leaves gaps of 1.16 spacings. Few sizes serve all.
    steps = (4 * np.ceil(np.maximum(sides / pixel * 1.2, 1) / 4)).astype(int)
    cells, owners = [], []
    for step in np.unique(steps):
        faces, weights = np.flatnonzero(steps == step), _grid(int(step))
        places = np.floor((np.einsum("sk,fkd->fsd", weights, corners[faces]) - low) / pixel).astype(np.int64)
        inside = ((places >= 0) & (places < (shape[1], shape[0]))).all(axis=2)
        cells.append((places[..., 1] * shape[1] + places[..., 0])[inside])
        owners.append((3 * faces[:, None] + weights.argmax(axis=1))[inside])
    cell, owner = np.concatenate(cells), np.concatenate(owners)
    order = np.argsort(owner // 3, kind="stable")
    found = np.full(shape[0] * shape[1], -1)
    found[cell[order]] = owner[order]
    return found.reshape(shape)


def _grid(step: int) -> np.ndarray:
    """[s, 3] barycentric weights of the points of a triangle, ``step`` to a side."""
    i, j = (axis.ravel() for axis in np.meshgrid(np.arange(step + 1), np.arange(step + 1), indexing="ij"))
    keep = i + j <= step
    return np.asarray(np.stack([i[keep], j[keep], step - i[keep] - j[keep]], axis=1) / step)
