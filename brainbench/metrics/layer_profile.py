"""What a voxel's layer weights say: where it reads, and how decidedly. Both from section 3.2 and 4.3."""

from __future__ import annotations

import numpy as np


def layer_place(layer: np.ndarray) -> np.ndarray:
    """Place of every voxel, sum_l (l - 1) / (L - 1) w_l: 0 first layer .. 1 last; layer: [V, L], L > 1; returns [V]."""
    return np.asarray(layer.astype(np.float64) @ np.linspace(0, 1, layer.shape[1]))


def layer_confidence(layer: np.ndarray) -> np.ndarray:
    """Confidence s = 1 - H(w) / log L of every voxel (equation 2); layer: [V, L], L > 1, rows sum to 1; returns [V] float64."""
    weights = layer.astype(np.float64)
    logs = np.log(weights, out=np.zeros_like(weights), where=weights > 0)
    return np.asarray(1 + (weights * logs).sum(axis=1) / np.log(weights.shape[1]))
