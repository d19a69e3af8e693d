"""The folders of both datasets. Light: the cards ask it for the root."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from brainbench import DataError, UsageError

IMAGES, MASKS, LISTS = "JPEGImages", "SegmentationClass", "ImageSets/Segmentation"
MAT = "gtsegs_ijcv.mat"
SIMULATED = "simulated.txt"


def voc_root(path: Path) -> Path | None:
    """The folder at ``path``, or up to two levels above it or alone below it, that holds VOC's folders; None if there is none."""
    return _nearest(path, lambda place: any((place / name).is_dir() for name in (IMAGES, MASKS, LISTS)))


def imagenet_root(path: Path) -> Path | None:
    """Return the folder with ``gtsegs_ijcv.mat``, found as by ``voc_root``."""
    return _nearest(path, lambda place: (place / MAT).is_file())


def checked_root(name: str, data: Path | None, find: Callable[[Path], Path | None], holds: str) -> Path:
    """``data`` if it is the root of dataset ``name``. holds: what lies there, in words.

    Raises UsageError without ``data``, DataError where it is another folder, naming the right one if that is near.
    """
    if data is None:
        raise UsageError(f"dataset {name} needs --data PATH: the folder that holds {holds}")
    root = find(data)
    if root is None:
        raise DataError(f"no {name} in {data}: --data names the folder that holds {holds}")
    if root.resolve() != data.resolve():
        raise DataError(f"{data} is not the folder that holds {holds}: give --data {root}")
    return root


def _nearest(path: Path, holds: Callable[[Path], bool]) -> Path | None:
    for place in (path, *path.resolve().parents[:2]):
        if holds(place):
            return place
    for depth in ("*", "*/*"):
        below = [place for place in sorted(path.glob(depth)) if not place.name.startswith(".") and holds(place)]
        if below:
            return below[0] if len(below) == 1 else None
    return None
