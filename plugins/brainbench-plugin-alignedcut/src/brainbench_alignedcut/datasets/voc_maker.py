"""A small simulated directory in the layout of PASCAL VOC 2012."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from brainbench.datasets import VOID
from brainbench_alignedcut.datasets.places import IMAGES, LISTS, MASKS
from brainbench_alignedcut.datasets.scenes import Colour, draw, label
from brainbench_alignedcut.datasets.voc import CLASSES

_MOST = 3  # objects of an image
_BORDER = 0.01  # of an image's longer side, as VOC's 5 pixels of 500


def make(*, folder: Path, settings: Mapping[str, Any]) -> None:
    """Write the images of val and train, their palette masks with borders of 255, and the three lists, labelled as simulated.

    Every class has the colour that VOC's palette gives it, in the pictures too. Images are written one by one.
    """
    for name in (IMAGES, MASKS, LISTS):
        (folder / name).mkdir(parents=True, exist_ok=True)
    size, colours = (settings["width"], settings["height"]), palette()
    border = max(1, round(_BORDER * max(size)))
    lists: dict[str, list[str]] = {"train": [], "val": []}
    for number in range(settings["train_images"] + settings["images"]):
        split = "train" if number < settings["train_images"] else "val"
        one = f"2012_{number + 1:06d}"
        rng = np.random.default_rng([settings["seed"], number])
        classes = rng.integers(1, len(CLASSES), rng.integers(1, _MOST, endpoint=True)).tolist()
        image, mask = draw(rng, size, [(kind, colours[kind]) for kind in classes], border)
        image.save(folder / IMAGES / f"{one}.jpg", quality=90)
        _save(folder / MASKS / f"{one}.png", mask, colours)
        lists[split].append(one)
    for name, ids in (*lists.items(), ("trainval", sorted(lists["train"] + lists["val"]))):
        (folder / LISTS / f"{name}.txt").write_text("".join(f"{one}\n" for one in ids), encoding="utf-8")
    label(folder, "voc2012", ", ".join(f"{name}={value}" for name, value in settings.items()))


def palette() -> list[Colour]:
    """VOC's 256 colours: bits 0, 3, 6 of the index are the high bits of red, bits 1, 4, 7 of green, bits 2, 5 of blue."""

    def channel(index: int, first: int) -> int:
        return sum((index >> bit & 1) << (7 - place) for place, bit in enumerate(range(first, 8, 3)))

    return [(channel(index, 0), channel(index, 1), channel(index, 2)) for index in range(VOID + 1)]


def _save(path: Path, mask: np.ndarray, colours: list[Colour]) -> None:
    image = Image.fromarray(mask)
    image.putpalette([value for colour in colours for value in colour])
    image.save(path)
