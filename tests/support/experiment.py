"""A tiny experiment as a folder: thirty pictures of sixteen pixels, five voxels that like colours."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image


def write_experiment(folder: Path, images: int = 30, voxels: int = 5) -> Path:
    """Write ``images/`` and ``responses.npy`` into ``folder``; returns it."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 255, (images, 16, 16, 3), dtype=np.uint8)
    (folder / "images").mkdir(parents=True)
    for number, picture in enumerate(pixels):
        Image.fromarray(picture).save(folder / f"images/im{number:02d}.png")
    colours = pixels.mean(axis=(1, 2)) / 255
    np.save(folder / "responses.npy", (colours @ rng.normal(size=(3, voxels))).astype(np.float32))
    return folder
