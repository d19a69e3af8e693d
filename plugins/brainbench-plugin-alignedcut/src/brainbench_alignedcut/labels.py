"""Masks -> the class of every token: segmentation is scored on the token grid."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from brainbench import DataError, Masks
from brainbench.datasets import VOID


def token_labels(masks: Masks, rows: np.ndarray, grid: tuple[int, int], *, figure: bool = False) -> np.ndarray:
    """The classes of the tokens of the images ``rows``, uint8 [n, H, W] for a grid of H x W.

    A pixel belongs to the grid cell in which its centre lies, and a token has the most frequent class of its pixels (of equally
    frequent ones the first), void ones not counted; with none but void ones it is ``VOID``. A mask with fewer pixels than the
    grid has cells is read as if each pixel were split. figure: every class but the background, 0, is class 1.

    Raises DataError for a mask that is no [H, W] array of 8-bit numbers, or has a value that is neither a class nor void.
    """
    return np.stack([_pooled(_checked(masks, row), grid, len(masks.classes), figure) for row in rows.tolist()])


def class_names(masks: Masks, *, figure: bool) -> Sequence[str]:
    """K names; the index is the value in ``token_labels``."""
    return (masks.classes[0], "figure") if figure else masks.classes


def _checked(masks: Masks, row: int) -> np.ndarray:
    mask = np.asarray(masks.load(row))
    if mask.ndim != 2 or mask.dtype != np.uint8:
        shape = " x ".join(map(str, mask.shape))
        raise DataError(
            f"mask of image {row} is {shape} of {mask.dtype}: expected one 8-bit class number a pixel, H x W; "
            "save a palette's indices, not its colours"
        )
    strange = np.setdiff1d(mask, [*range(len(masks.classes)), VOID])
    if strange.size:
        raise DataError(
            f"mask of image {row} has pixels of value {strange[0]}: allowed are 0 to {len(masks.classes) - 1} "
            f"({len(masks.classes)} classes) and {VOID} for none; name the class or mark it void"
        )
    return mask


def in_cells(mask: np.ndarray, grid: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Return (mask [h, w], the number of the grid cell that contains the centre of each pixel [h, w], row by row of the grid).

    A mask with fewer pixels than the grid has cells is returned with each pixel split.
    """
    for axis, cells in enumerate(grid):
        mask = np.repeat(mask, -(-cells // mask.shape[axis]), axis)
    down, across = (
        (2 * np.arange(size) + 1) * cells // (2 * size) for size, cells in zip(mask.shape, grid, strict=True)
    )
    return mask, down[:, None] * grid[1] + across


def _pooled(mask: np.ndarray, grid: tuple[int, int], classes: int, figure: bool) -> np.ndarray:
    mask, cell = in_cells(mask, grid)
    if figure:
        mask = np.where((mask > 0) & (mask != VOID), np.uint8(1), mask)
    known = mask != VOID
    place = cell[known] * classes + mask[known]
    counts = np.bincount(place, minlength=grid[0] * grid[1] * classes).reshape(*grid, classes)
    return np.where(counts.any(axis=2), counts.argmax(axis=2), VOID).astype(np.uint8)
