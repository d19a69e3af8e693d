"""Aligned tokens in the brain's space, B = V' beta (section 2.1), and the activation of figure and ground (section 3.2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from brainbench import DataError
from brainbench.datasets import VOID
from brainbench_alignedcut.labels import in_cells

FOREGROUND, BACKGROUND, NEITHER = 1, 0, -1


def roi_weights(beta: np.ndarray, rois: Mapping[str, np.ndarray]) -> tuple[tuple[str, ...], np.ndarray]:
    """Mean weights of every ROI's voxels: (R names, [D, R] float32); a ROI without a voxel is left out, "all" comes last.

    beta: [V, D]; rois: name -> bool [V]. As B is linear in beta, B of a mean voxel is the mean B of the voxels.
    """
    masks = {name: mask for name, mask in rois.items() if mask.any()} | {"all": np.ones(len(beta), bool)}
    return tuple(masks), np.stack([beta[mask].mean(axis=0) for mask in masks.values()], axis=1).astype(np.float32)


def brain_activation(tokens: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """B = V' beta: tokens [..., D] x weights [D, R] -> [..., R] float32, in standard deviations of a voxel's responses.

    The mean of B over all tokens of an image, the global one too, and over layers is the standardised prediction less the
    voxel's constant (equation 2).
    """
    return np.asarray(np.asarray(tokens, np.float32) @ weights)


def ground_of(mask: np.ndarray, grid: tuple[int, int]) -> np.ndarray:
    """Return figure and ground for each grid cell, int8 [h, w]: 1 foreground, 0 background, -1 if most pixels are void.

    mask: uint8 [H, W] of classes, 0 the background, 255 void. A cell is foreground if more than half of its non-void pixels
    have any class but the background. A pixel belongs to the cell that contains its centre.
    """
    if mask.ndim != 2 or min(mask.shape) < 1:
        raise DataError(f"a mask of shape {list(mask.shape)}: expected height x width, one class a pixel")
    mask, cells = in_cells(mask, grid)
    place = cells.ravel()
    known = mask.ravel() != VOID
    pixels = np.bincount(place, minlength=grid[0] * grid[1])
    valid = np.bincount(place[known], minlength=len(pixels))
    figure = np.bincount(place[known & (mask.ravel() != 0)], minlength=len(pixels))
    ground = np.where(2 * figure > valid, FOREGROUND, BACKGROUND)
    return np.where(2 * valid < pixels, NEITHER, ground).astype(np.int8).reshape(grid)


@dataclass(frozen=True)
class Moments:
    """Mean and standard deviation over some tokens, float32 [R] each, NaN where there is none; count: how many."""

    mean: np.ndarray
    sd: np.ndarray
    count: int


def moments(activation: np.ndarray, chosen: np.ndarray) -> Moments:
    """Of the activation [M, R] of the tokens ``chosen``, bool [M]."""
    values, count = np.asarray(activation[chosen], np.float64), int(chosen.sum())
    if not count:
        nothing = np.full(activation.shape[1], np.nan, np.float32)
        return Moments(nothing, nothing, 0)
    return Moments(values.mean(axis=0).astype(np.float32), values.std(axis=0).astype(np.float32), count)
