"""Summaries of a voxel's layer weights: the place it reads, and how decidedly. Both from sections 3.2 and 4.3."""

from __future__ import annotations

import numpy as np


def layer_place(layer: np.ndarray) -> np.ndarray:
    """Return the place of every voxel, sum_l (l - 1) / (L - 1) w_l, from 0 (first layer) to 1 (last).

    layer: [V, L], L > 1; returns [V].
    """
    return np.asarray(layer.astype(np.float64) @ np.linspace(0, 1, layer.shape[1]))


def layer_confidence(layer: np.ndarray) -> np.ndarray:
    """Return the confidence s = 1 - H(w) / log L of every voxel (equation 2).

    layer: [V, L], L > 1, rows sum to 1; returns [V] float64.
    """
    weights = layer.astype(np.float64)
    logs = np.log(weights, out=np.zeros_like(weights), where=weights > 0)
    return np.asarray(1 + (weights * logs).sum(axis=1) / np.log(weights.shape[1]))
