"""What an experiment's folder may hold, and where its top is: for ``brainbench data check``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from brainbench import DataError, Part
from brainbench.builtin.datasets.folder.layout import (
    CEILING,
    COORDINATES,
    MASK,
    MATRICES,
    ORDER,
    RESPONSES,
    ROI_VOLUME,
    ROIS,
    SIDED_MASK,
    SPLITS,
    VERTICES,
    Layout,
    layouts,
)
from brainbench.datasets import list_images, open_npy

# Names of which one may be there, what it is, and how one gets it.
_ORDER = "order of the response rows, groups of images", "columns image, group; else file-name order"
_RESPONSES = "responses, stimuli x voxels", "your analysis; numpy.save or a table"
_FILES = (
    (COORDINATES, "voxel coordinates in mm, for the topology", "your surface or volume"),
    (ROIS, "regions of interest", "columns voxel, roi"),
    (CEILING, "explainable share of each voxel's variance", "your repeats; estimated from them if there are any"),
    (SPLITS, "train, val and test", "columns image, split; else 8:1:1 by content"),
    (MATRICES, "measured dissimilarities", "subjects x stimuli x stimuli"),
    (("masks",), "classes of the images' pixels", "one png an image, and classes.csv"),
)
# Listed where they are there: most experiments have none of them.
_SPACE = (
    (MASK, "voxels of the volume", "your analysis; a volume that is not zero where a voxel is"),
    (("surface",), "mesh of both hemispheres", "FreeSurfer's fsaverage, or nilearn's"),
    (VERTICES, "vertices that were measured", "columns hemisphere, vertex"),
    *(
        ((f"{side}.{name}",), "vertices that were measured", "your analysis")
        for side in ("lh", "rh")
        for name in SIDED_MASK
    ),
    (ROI_VOLUME, "labels of regions of interest", "named by rois.csv (columns value, roi)"),
    (("rois",), "masks of regions of interest", "one file a region, or one a hemisphere"),
)


def root(path: Path) -> Path | None:
    """The top of the experiment that ``path`` is, is a part of, or holds alone within two levels below; else None."""
    path = path.absolute()
    part = path.parent if path.name in ("images", "stimuli", "masks") else path
    if part.name == "subjects":
        part = part.parent
    elif part.parent.name == "subjects":
        part = part.parent.parent
    elif part.name.startswith("sub-"):
        part = part.parent
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

    Only images are needed: what else is missing makes figures not applicable. Raises DataError as ``layouts`` does, and where no
    subject's files can be told apart.
    """
    del settings  # none changes what is read
    about = data / "dataset.toml"
    parts = [_part("", "name, licence, units", about, "yours; a text file", needed=False)]
    wrong, places = [], layouts(data)
    for name, layout in places.items():
        try:
            parts += [part for part in _subject(name, layout) if part not in parts]
        except DataError as problem:
            # Said in full when the subject is read; the others are listed all the same.
            wrong.append(problem)
            parts.append(_part(name, "files", layout.places[0], "", needed=True))
    if len(wrong) == len(places):
        raise wrong[0]
    return parts


def _subject(name: str, layout: Layout) -> Iterator[Part]:
    own = layout.places[0]
    images = layout.find("images") or layout.find("stimuli") or layout.places[-1] / "images"
    yield _part(_owner(name, own, images), "images", images, "png, jpg or jpeg files", needed=True)
    sessions = layout.sessions()
    for session, part in sessions.items():
        for place in (part.find(*ORDER), *part.responses()):
            if place:
                what = _ORDER[0] if place.name in ORDER else _RESPONSES[0]
                yield _part(name, f"{session}: {what}", place, _RESPONSES[1], needed=False)
    order = layout.find(*ORDER) or own / ORDER[0]
    yield _part(_owner(name, own, order), _ORDER[0], order, _ORDER[1], needed=False)
    for place in () if sessions else layout.responses() or (own / RESPONSES[0],):
        yield _part(_owner(name, own, place), _RESPONSES[0], place, _RESPONSES[1], needed=False)
    for names, what, source in _FILES:
        place = layout.find(*names) or own / names[0]
        yield _part(_owner(name, own, place), what, place, source, needed=False)
    for names, what, source in _SPACE:
        found = layout.find(*names)
        if found:
            yield _part(_owner(name, own, found), what, found, source, needed=False)


def _owner(subject: str, own: Path, place: Path) -> str:
    return subject if own in place.parents else ""


def _part(subject: str, what: str, place: Path, source: str, needed: bool) -> Part:
    files = [path for path in place.rglob("*") if path.is_file()] if place.is_dir() else [place]
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
        if place.name in ("images", "stimuli"):
            return f"{len(list_images(place)):,} images"
        if place.suffix == ".npy":
            array = open_npy(place)
            return f"{' x '.join(f'{length:,}' for length in array.shape)} {array.dtype}"
    except DataError:
        return "cannot be read"
    return ""


def _is_top(folder: Path) -> bool:
    if any((folder / name).is_dir() for name in ("images", "subjects")):
        return True
    # Other data sets too have a folder of that name.
    measured = any(any(folder.glob(pattern)) for pattern in ("sub-*", "ses-*", "responses.*", "?h.responses.*"))
    return measured and any(
        any(folder.glob(f"{place}{name}")) for place in ("", "sub-*/") for name in ("stimuli", "images")
    )
