"""Images whose tokens are sparse mixtures of known features, and brains that read these features."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from memory import MemoryFeatures, memory_features

from brainbench import Responses

SIDE = 3


@dataclass(frozen=True)
class Sparse:
    """features: L layers of tokens; directions: [L, M, C], the known features; series: [L, M, n], their mean over places."""

    features: MemoryFeatures
    directions: np.ndarray
    series: np.ndarray


def sparse(images: int = 600, channels: int = 16, units: int = 40, layers: int = 2, seed: int = 0) -> Sparse:
    """Tokens x = D^T z of few features z > 0 a place, and what relu(D x - 0.5) makes of them, as a tied autoencoder does."""
    rng = np.random.default_rng(seed)
    directions = rng.normal(size=(layers, units, channels))
    directions /= np.linalg.norm(directions, axis=2, keepdims=True)
    tokens, series = [], []
    for own in directions:
        codes = rng.exponential(2, (images, SIDE**2, units)) * (rng.random((images, SIDE**2, units)) < 0.05)
        x = (codes @ own + 0.2 * rng.normal(size=(images, SIDE**2, channels))).astype(np.float32)
        tokens.append(x.transpose(0, 2, 1).reshape(images, channels, SIDE, SIDE))
        series.append(np.maximum(x @ own.T - 0.5, 0).mean(axis=1).T)
    return Sparse(memory_features(tokens), directions, np.stack(series))


def brain(signal: np.ndarray, explained: float, seed: int = 1) -> Responses:
    """Responses [n, V] to every image: a signal [V, n] with ``explained`` of the variance, and noise."""
    rng = np.random.default_rng(seed)
    signal = (signal - signal.mean(axis=1, keepdims=True)) / signal.std(axis=1, keepdims=True)
    noise = rng.normal(size=signal.shape)
    values = (np.sqrt(explained) * signal + np.sqrt(1 - explained) * noise).T.astype(np.float32)
    images = len(values)
    split = np.array(["train", "train", "train", "val", "test", "test"])[np.arange(images) % 6]
    rois = {"V1": np.arange(values.shape[1]) % 2 == 0, "FFA": np.arange(values.shape[1]) % 2 == 1}
    side = np.where(np.arange(values.shape[1]) % 3, 1, -1)[:, None]
    coordinates = rng.normal(size=(values.shape[1], 3)).astype(np.float32) * 10 + side * np.array([40, 0, 0])
    return Responses("1", values, np.arange(images), split, "key", coordinates=coordinates, rois=rois)
