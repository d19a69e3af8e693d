"""Train, val and test by NSD's own image numbers."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from brainbench.datasets import units


def split_by_image(nsd: Sequence[int], digests: Sequence[str], seed: int) -> np.ndarray:
    """[S] train/val/test, about 8:1:1, by a seeded hash of the NSD image number and of nothing else.

    So an image is on the same side in every subject who saw it (paper, section 4.1: by image). Images of one content go by
    the lowest number among them.
    """
    unit = units(digests, [str(number) for number in nsd])
    lowest = np.full(len(unit), np.iinfo(np.int64).max)
    np.minimum.at(lowest, unit, nsd)
    side = {number: _side(number, seed) for number in np.unique(lowest[unit]).tolist()}
    return np.array([side[number] for number in lowest[unit].tolist()], dtype="<U5")


def _side(number: int, seed: int) -> str:
    place = int(hashlib.sha256(f"{seed}:{number}".encode()).hexdigest()[:16], 16) / 16**16
    return "test" if place < 0.1 else "val" if place < 0.2 else "train"
