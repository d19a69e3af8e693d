"""Masks: images whose pixels are the numbers of classes, checked against the images they belong to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from brainbench.datasets.images import open_image
from brainbench.datasets.ledger import Fact, Ledger, content_digest
from brainbench.errors import DataError
from brainbench.types import Masks

VOID = 255  # a pixel of no class, as in PASCAL VOC


@dataclass(frozen=True)
class MaskFiles:
    """S checked masks. paths: their files; digests: sha256 of size and pixels; classes: names, the index is the pixel value."""

    paths: tuple[Path, ...]
    digests: tuple[str, ...]
    classes: tuple[str, ...]

    @property
    def masks(self) -> Masks:
        """As the other stages read it."""
        return Masks(self.classes, self.load)

    def load(self, index: int) -> np.ndarray:
        """One mask, uint8 [H, W]."""
        return open_mask(self.paths[index])


def read_masks(
    paths: Sequence[Path], sizes: Sequence[tuple[int, int]], classes: tuple[str, ...], ledger: Ledger
) -> MaskFiles:
    """Decode every mask once and check it. sizes: (width, height) of the image of each.

    Raises DataError for a mask that is not there, naming the first and their number, and as ``open_mask`` and ``check_masks`` do.
    """
    missing = [path for path in paths if not path.is_file()]
    if missing:
        number = f"{len(missing)} of {len(paths)} images have none"
        raise DataError(f"no mask {missing[0]} ({number}): every image needs one, as png")
    facts = ledger.examine("mask", paths, lambda path: mask_fact(open_mask(path)))
    check_masks([str(path) for path in paths], facts, sizes, classes)
    return MaskFiles(tuple(paths), tuple(str(fact["digest"]) for fact in facts), classes)


def open_mask(path: Path) -> np.ndarray:
    """One mask, uint8 [H, W]: the indices of a palette, or grey values. DataError for colours, and if it cannot be decoded."""
    image = open_image(path)
    if image.mode not in ("L", "P"):
        raise DataError(
            f"mask {path} has mode {image.mode}, but numbers of classes are meant: give the palette's index file instead of "
            "its colours (8 bits, mode P or L, one value a class)"
        )
    return np.asarray(image)


def mask_fact(pixels: np.ndarray) -> Fact:
    """What there is to know of a mask, uint8 [H, W]: digest, width, height, and the values that occur."""
    height, width = pixels.shape
    return {
        "digest": content_digest(f"{width}x{height}:".encode(), pixels.tobytes()),
        "width": width,
        "height": height,
        "values": np.flatnonzero(np.bincount(pixels.ravel(), minlength=256)).tolist(),
    }


def check_masks(
    names: Sequence[str], facts: Sequence[Fact], sizes: Sequence[tuple[int, int]], classes: Sequence[str]
) -> None:
    """Masks, by name and ``mask_fact``, against the (width, height) of their images and the names of the classes.

    Raises DataError, naming the first, for a mask of another size than its image and for a value that is neither a class nor
    255, and where no pixel of any mask is of a class but 0 while some are 255, as white figures on black are.
    """
    for name, fact, (width, height) in zip(names, facts, sizes, strict=True):
        if (fact["width"], fact["height"]) != (width, height):
            raise DataError(
                f"mask {name} is {fact['width']} x {fact['height']} pixels, but its image is {width} x {height}: make "
                "them equal"
            )
        strange = [value for value in fact["values"] if value >= len(classes) and value != VOID]
        if strange:
            last = len(classes) - 1
            raise DataError(
                f"mask {name} has pixels of value {strange[0]}; classes are 0 ({classes[0]}) to {last} ({classes[last]}), "
                f"and {VOID} marks no class"
            )
    found = {value for fact in facts for value in fact["values"]}
    if VOID in found and found <= {0, VOID}:
        raise DataError(
            f"mask {names[0]} and {len(names) - 1} more have no values but {', '.join(map(str, sorted(found)))}, and "
            f"{VOID} marks no class: save figures as 1, 2 ..."
        )
