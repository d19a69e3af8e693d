"""What an experiment's folder may hold, and where its top is: for ``brainbench data check``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from brainbench import DataError, Part
from brainbench.builtin.datasets.folder.layout import Layout, layouts
from brainbench.builtin.datasets.folder.voxels import RESPONSES
from brainbench.datasets import list_images, open_npy

# Names of which one may be there, what it is, and how one gets it.
_FILES = (
    (("stimuli.csv",), "order of the response rows, groups of images", "columns image, group; else file-name order"),
    (RESPONSES, "responses, stimuli x voxels", "your analysis; numpy.save or a table"),
    (("coordinates.npy",), "voxel coordinates in mm, for the topology", "your surface or volume"),
    (("rois.csv",), "regions of interest", "columns voxel, roi"),
    (("noise_ceiling.npy",), "explainable share of each voxel's variance", "your repeats"),
    (("splits.csv",), "train, val and test", "columns image, split; else 8:1:1 by content"),
    (("dissimilarities.npy",), "measured dissimilarities", "subjects x stimuli x stimuli"),
    (("masks",), "classes of the images' pixels", "one png an image, and classes.csv"),
)


def root(path: Path) -> Path | None:
    """The top of the experiment that ``path`` is, is a part of, or holds alone within two levels below; else None."""
    path = path.absolute()
    part = path.parent if path.name in ("images", "masks") else path
    if part.name == "subjects":
        part = part.parent
    elif part.parent.name == "subjects":
        part = part.parent.parent
    for top in (part, path):
        if _is_top(top):
            return top
    for pattern in ("*", "*/*"):
        tops = [folder for folder in path.glob(pattern) if not folder.name.startswith(".") and _is_top(folder)]
        if tops:
            return tops[0] if len(tops) == 1 else None
    return None


def contents(*, data: Path, settings: Mapping[str, Any]) -> list[Part]:
    """Every file that the layout knows, subject by subject; what lies at the top for several subjects belongs to "".

    Only images are needed: what else is missing makes figures not applicable. Raises DataError as ``layouts`` does.
    """
    del settings  # none changes what is read
    about = data / "dataset.toml"
    parts = [_part("", "name, licence, units", about, "yours; a text file", needed=False)]
    for name, layout in layouts(data).items():
        parts += [part for part in _subject(name, layout) if part not in parts]
    return parts


def _subject(name: str, layout: Layout) -> Iterator[Part]:
    own = layout.places[0]
    images = layout.find("images") or layout.places[-1] / "images"
    yield _part(_owner(name, own, images), "images", images, "png, jpg or jpeg files", needed=True)
    for names, what, source in _FILES:
        place = layout.find(*names) or own / names[0]
        yield _part(_owner(name, own, place), what, place, source, needed=False)


def _owner(subject: str, own: Path, place: Path) -> str:
    return subject if place.parent == own else ""


def _part(subject: str, what: str, place: Path, source: str, needed: bool) -> Part:
    files = [path for path in place.iterdir() if path.is_file()] if place.is_dir() else [place]
    there = place.exists()
    return Part(
        subject=subject,
        what=what,
        place=place,
        there=there,
        needed=needed,
        size=sum(path.stat().st_size for path in files) if there else 0,
        source=source,
        detail=_detail(place) if there else "",
    )


def _detail(place: Path) -> str:
    try:
        if place.name == "images":
            return f"{len(list_images(place)):,} images"
        if place.suffix == ".npy":
            array = open_npy(place)
            return f"{' x '.join(f'{length:,}' for length in array.shape)} {array.dtype}"
    except DataError:
        return "cannot be read"
    return ""


def _is_top(folder: Path) -> bool:
    return any((folder / name).is_dir() for name in ("images", "subjects"))
