"""Paired bootstrap over test images: jobs with the same test images use the same draws."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence

import numpy as np

DRAWS = 1000
# With fewer images, draws do not show how a score would vary.
FEWEST = 10


def resamples(ids: Sequence[str]) -> np.ndarray | None:
    """Return how often each row counts in each draw, [1000, N] float32. None with fewer than ten different images.

    Images are drawn with replacement, and all rows (trials) of an image together. The draws depend only on the names of the
    images, not on their order, so that scores of two jobs can be compared draw by draw.
    """
    images, row = np.unique(np.asarray(ids, dtype=str), return_inverse=True)
    if len(images) < FEWEST:
        return None
    seed = hashlib.sha256("\n".join(images).encode()).digest()[:8]
    rng = np.random.default_rng(int.from_bytes(seed, "little"))
    counts = rng.multinomial(len(images), np.full(len(images), 1 / len(images)), size=DRAWS)
    return np.asarray(counts[:, row], dtype=np.float32)


def packed(deviations: np.ndarray) -> str:
    """Pack [1000] differences of the draws from the score as text for a record.

    Half precision keeps them to a part in 2,000.
    """
    return base64.b64encode(deviations.astype("<f2").tobytes()).decode("ascii")


def unpacked(text: str) -> np.ndarray:
    """Unpack what ``packed`` wrote: [1000] float64. Raises ValueError for any other text."""
    values = np.frombuffer(base64.b64decode(text, validate=True), dtype="<f2").astype(np.float64)
    if values.shape != (DRAWS,):
        raise ValueError(f"{len(values)} draws, expected {DRAWS}")
    return values
