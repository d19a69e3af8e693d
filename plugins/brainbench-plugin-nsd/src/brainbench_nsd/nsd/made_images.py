"""The images of a simulated download."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from brainbench.datasets import small_images

_AT_ONCE = 256


def write_brick(path: Path, total: int, seed: int, size: int) -> np.ndarray:
    """Write ``imgBrick`` [total, size, size, 3] uint8; returns the content of the images [total, 192]."""
    import h5py

    path.parent.mkdir(parents=True, exist_ok=True)
    content = []
    with h5py.File(path, "w") as file:
        brick = file.create_dataset("imgBrick", (total, size, size, 3), np.uint8, chunks=(1, size, size, 3))
        for start in range(0, total, _AT_ONCE):
            numbers = np.arange(start, min(start + _AT_ONCE, total))
            pictures, read = small_images(numbers, seed, size)
            brick[start : start + len(numbers)] = pictures
            content.append(read)
    return np.concatenate(content)
