"""Features without a store."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


class MemoryFeatures:
    """Features held in memory. Counts how often each layer's local tokens were read, and which rows were ever asked for."""

    key = "memory"

    def __init__(self, local: Sequence[np.ndarray], glob: Sequence[np.ndarray]) -> None:
        self._local, self._global = list(local), list(glob)
        self.reads = [0] * len(self._local)
        self.rows_read: set[int] = set()

    @property
    def layers(self) -> tuple[str, ...]:
        return tuple(f"block{i}" for i in range(len(self._local)))

    @property
    def channels(self) -> tuple[int, ...]:
        return tuple(tokens.shape[1] for tokens in self._local)

    @property
    def grids(self) -> tuple[tuple[int, int], ...]:
        return tuple((tokens.shape[2], tokens.shape[3]) for tokens in self._local)

    def __len__(self) -> int:
        return len(self._local[0])

    def local_tokens(self, layer: int, rows: np.ndarray | slice = slice(None)) -> np.ndarray:
        self.reads[layer] += 1
        return self._read(self._local[layer], rows)

    def global_tokens(self, layer: int, rows: np.ndarray | slice = slice(None)) -> np.ndarray:
        return self._read(self._global[layer], rows)

    def _read(self, tokens: np.ndarray, rows: np.ndarray | slice) -> np.ndarray:
        self.rows_read.update(np.arange(len(self))[rows].tolist())
        read = tokens[rows].copy()
        read.setflags(write=False)
        return read


def memory_features(local: Sequence[np.ndarray], glob: Sequence[np.ndarray] | None = None) -> MemoryFeatures:
    """Features of per-layer arrays [S, C, H, W] and [S, C] (default: the mean over space)."""
    return MemoryFeatures(local, [tokens.mean(axis=(2, 3)) for tokens in local] if glob is None else glob)
