"""Per-pixel classes: ``masks/<image stem>.png`` and ``masks/classes.csv``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from brainbench import DataError, Masks
from brainbench.builtin.datasets.folder.layout import Layout
from brainbench.builtin.datasets.folder.stimuli import Seen
from brainbench.datasets import Fact, Ledger, content_digest, open_image, read_rows

VOID = 255  # a pixel of no class, as in PASCAL VOC


@dataclass(frozen=True)
class MaskFiles:
    """S checked masks. paths: their files; digests: sha256 of their pixels; classes: names, the index is the value."""

    paths: tuple[Path, ...]
    digests: tuple[str, ...]
    classes: tuple[str, ...]

    @property
    def masks(self) -> Masks:
        """As the other stages read it."""
        return Masks(self.classes, self.load)

    def load(self, index: int) -> np.ndarray:
        """One mask, uint8 [H, W]."""
        return _pixels(self.paths[index])


def read_masks(layout: Layout, seen: Seen, ledger: Ledger) -> MaskFiles | None:
    """Check the mask of every image, or None without ``masks/``.

    Raises DataError for a mask that is missing, of another size than its image, no index image (mode L or P), or that
    has a value which ``classes.csv`` does not name (255 needs no name: it marks pixels of no class).
    """
    folder = layout.find("masks")
    if folder is None:
        return None
    classes = _read_classes(Layout((folder,)).find("classes.csv", "classes.tsv") or folder / "classes.csv")
    paths = tuple(folder / f"{Path(name).stem}.png" for name in seen.ids)
    missing = [path for path in paths if not path.is_file()]
    if missing:
        raise DataError(
            f"no mask {missing[0]} ({len(missing)} of {len(paths)} images have none): every image needs one"
        )
    facts = ledger.examine("mask", paths, _look)
    for path, fact, size in zip(paths, facts, seen.images.sizes, strict=True):
        _check(path, fact, size, classes)
    return MaskFiles(paths, tuple(str(fact["digest"]) for fact in facts), classes)


def _check(path: Path, fact: Fact, size: tuple[int, int], classes: tuple[str, ...]) -> None:
    width, height = fact["width"], fact["height"]
    if (width, height) != size:
        raise DataError(
            f"mask {path} is {width} x {height} pixels, but its image is {size[0]} x {size[1]}: make them equal"
        )
    strange = [value for value in fact["values"] if value >= len(classes) and value != VOID]
    if strange:
        raise DataError(
            f"mask {path} has pixels of value {strange[0]}, which classes.csv does not name; {VOID} marks no class"
        )


def _look(path: Path) -> Fact:
    pixels = _pixels(path)
    height, width = pixels.shape
    return {
        "digest": content_digest(f"{width}x{height}:".encode(), pixels.tobytes()),
        "width": width,
        "height": height,
        "values": np.unique(pixels).tolist(),
    }


def _pixels(path: Path) -> np.ndarray:
    image = open_image(path)
    if image.mode not in ("L", "P"):
        raise DataError(
            f"mask {path} has mode {image.mode}: save an 8-bit index image (mode L or P), one value a class"
        )
    return np.asarray(image)


def _read_classes(path: Path) -> tuple[str, ...]:
    names: dict[int, str] = {}
    if not path.is_file():
        raise DataError(f"no {path}: it must name the classes (columns value, name), 0 the background")
    for row in read_rows(path, ("value", "name")):
        value = row.number("value")
        if value in names:
            raise DataError(f"{row.where}: value {value} is named twice, {names[value]!r} and {row['name']!r}")
        names[value] = row["name"]
    if sorted(names) != list(range(len(names))) or not names:
        raise DataError(
            f"{path}: values {sorted(names)}, expected 0, 1, 2 ... without gaps ({VOID}, no class, is not named)"
        )
    return tuple(names[value] for value in sorted(names))
