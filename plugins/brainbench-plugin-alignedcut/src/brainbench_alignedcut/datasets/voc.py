"""PASCAL VOC 2012: a palette file an image, whose index is the class, and lists of the images."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from brainbench import DataError, Part, Stimuli
from brainbench.datasets import Ledger, read_images, read_masks
from brainbench_alignedcut.datasets.masked import MaskedImages, masked_images
from brainbench_alignedcut.datasets.places import IMAGES, LISTS, MASKS, checked_root, voc_root

# By index (VOC 2012 development kit, section 3.1).
CLASSES = (
    "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable", "dog",
    "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip
ARCHIVE = "VOCtrainval_11-May-2012.tar (host.robots.ox.ac.uk/pascal/VOC/voc2012), 2 GB"
_HOLDS = f"{IMAGES}, {MASKS} and {LISTS}"


def load(*, settings: Mapping[str, Any], data: Path | None, cache: Path) -> MaskedImages:
    """Check the folder ``data`` (VOCdevkit/VOC2012) and hand it on; every image and mask is decoded once, remembered in ``cache``.

    Raises DataError for a list, an image or a mask that is missing or damaged and for a mask that does not fit its image;
    UsageError without ``data``.
    """
    root = checked_root("voc2012", data, voc_root, _HOLDS)
    ids = read_ids(root / LISTS / f"{settings['split']}.txt")
    ids = ids[: settings["images"] or None]
    _refuse_missing(root, ids)
    ledger = Ledger(cache, root)
    try:
        images = read_images(root / IMAGES, tuple(f"{one}.jpg" for one in ids), ledger)
        masks = read_masks([root / MASKS / f"{one}.png" for one in ids], images.sizes, CLASSES, ledger)
    finally:
        ledger.save()
    return masked_images(root, Stimuli(ids, images.digests, images.open), masks.masks, masks.digests)


def read_ids(path: Path) -> tuple[str, ...]:
    """The images of one list, one a line, e.g. 2007_000033. DataError for a list that is missing or empty, or has one twice."""
    try:
        ids = path.read_text(encoding="utf-8", errors="replace").split()
    except OSError as problem:
        raise DataError(f"list {path} cannot be read: {problem.strerror}; unpack {ARCHIVE} whole") from problem
    if not ids:
        raise DataError(f"list {path} names no image: unpack {ARCHIVE} again")
    if len(set(ids)) < len(ids):
        twice = next(one for one in ids if ids.count(one) > 1)
        raise DataError(f"list {path} names {twice} more than once: leave one line of it")
    return tuple(ids)


def _refuse_missing(root: Path, ids: tuple[str, ...]) -> None:
    for what, folder, suffix in (("image", root / IMAGES, "jpg"), ("mask", root / MASKS, "png")):
        missing = [one for one in ids if not (folder / f"{one}.{suffix}").is_file()]
        if missing:
            raise DataError(
                f"no {what} {folder / missing[0]}.{suffix} ({len(missing)} of the {len(ids)} images that are listed have "
                f"none): unpack {ARCHIVE} whole"
            )


def contents(*, data: Path, settings: Mapping[str, Any]) -> list[Part]:
    """The list of images that is asked for and the two folders, there or not; nothing is decoded."""
    listed = data / LISTS / f"{settings['split']}.txt"
    return [
        _part(f"list of images, {settings['split']}", listed, [listed], "files"),
        _part("images", data / IMAGES, sorted((data / IMAGES).glob("*.jpg")), "images"),
        _part("masks", data / MASKS, sorted((data / MASKS).glob("*.png")), "masks"),
    ]


def _part(what: str, place: Path, files: list[Path], word: str) -> Part:
    there = [path for path in files if path.is_file()]
    detail = f"{len(there):,} {word}" if place.is_dir() else ""
    return Part("", what, place, bool(there), True, sum(path.stat().st_size for path in there), ARCHIVE, detail)
