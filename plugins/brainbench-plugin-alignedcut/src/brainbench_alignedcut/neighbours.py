"""The nearest of a few nodes to each of many, a block of rows at a time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray

BLOCK_BYTES = 2**26
"""Size of the similarities in memory at a time."""


def blocks(rows: int, width: int) -> Iterator[slice]:
    """Yield consecutive slices of ``rows``, such that float32 [rows, width] has at most ``BLOCK_BYTES``."""
    step = max(1, BLOCK_BYTES // (4 * max(1, width)))
    for start in range(0, rows, step):
        yield slice(start, min(start + step, rows))


def most_similar(
    left: NDArray[np.float32], right: NDArray[np.float32], count: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """(dot products, rows of ``right``), [B, count] each: the greatest of each row of ``left`` [B, C] with ``right`` [m, C]."""
    values, rows = (torch.from_numpy(left) @ torch.from_numpy(right).T).topk(count, dim=1)
    return values.numpy(), rows.numpy()
