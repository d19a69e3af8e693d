"""Simulated pictures with masks: bright shapes before a dull background of smudges."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from brainbench.datasets import VOID, small_images
from brainbench_alignedcut.datasets.places import SIMULATED

_DULL = 0.4  # contrast of the background
_NOISE = 12.0  # sd of a pixel
_LABEL = """Simulated, no photographs: bright shapes before smudges, in the layout of {name}. Made by `brainbench data make {name}`
with {settings}.
"""
Colour = tuple[int, int, int]


def draw(
    rng: np.random.Generator, size: tuple[int, int], objects: Sequence[tuple[int, Colour]], border: int
) -> tuple[Image.Image, np.ndarray]:
    """One RGB picture of ``size`` (width, height) and its mask, uint8 [H, W].

    objects: class and colour of each, the later before the earlier; border: pixels of class 255 around each, 0 for none.
    """
    ground, _ = small_images([0], int(rng.integers(2**31)), max(size))
    picture = Image.fromarray(ground[0, : size[1], : size[0]]).point(lambda grey: 127 + _DULL * (grey - 127))
    mask = Image.new("L", size)
    on_picture, on_mask = ImageDraw.Draw(picture), ImageDraw.Draw(mask)
    for number, colour in objects:
        corners = _shape(rng, size)
        on_picture.polygon(corners, fill=colour)
        on_mask.polygon(corners, fill=number)
        if border:
            on_mask.line([*corners, *corners[:2]], fill=VOID, width=border, joint="curve")
    values = np.asarray(picture) + _NOISE * rng.standard_normal((size[1], size[0], 3), np.float32)
    return Image.fromarray(np.clip(np.rint(values), 0, 255).astype(np.uint8)), np.asarray(mask)


def label(folder: Path, name: str, settings: object) -> None:
    """Write a file that marks the data as simulated."""
    (folder / SIMULATED).write_text(_LABEL.format(name=name, settings=settings), encoding="utf-8")


def _shape(rng: np.random.Generator, size: tuple[int, int]) -> list[tuple[float, float]]:
    """Return corners (x, y) of a shape with three to forty corners, anywhere, 0.3 to 0.6 of the picture's shorter side across."""
    count = int(rng.choice([3, 4, 6, 40]))
    angle = 2 * np.pi * (np.arange(count) / count + rng.random())
    width, height = size
    radius = rng.uniform(0.15, 0.3, 2) * min(size)
    x = rng.uniform(0.25, 0.75) * width + radius[0] * np.cos(angle)
    y = rng.uniform(0.25, 0.75) * height + radius[1] * np.sin(angle)
    return [(float(a), float(b)) for a, b in zip(x, y, strict=True)]
