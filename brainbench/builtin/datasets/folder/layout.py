"""Where the files of an experiment lie, and under which names: nobody else spells a file's name.

At the top of the folder, or per subject under ``subjects/<name>/`` or ``sub-<name>/``; in there, per session under ``ses-<name>/``.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from brainbench import DataError
from brainbench.builtin.datasets.folder.unread import refuse_unread_names


def _each(stem: str, *suffixes: str) -> tuple[str, ...]:
    return tuple(f"{stem}.{suffix}" for suffix in suffixes)


SIDES = {"left": "lh", "right": "rh"}
_TEXT = ("csv", "tsv", "csv.gz", "tsv.gz")
ARRAYS = ("npy", "npz", *_TEXT, "txt", "parquet", "feather", "xlsx", "h5", "hdf5", "mat", "zarr")
VOLUMES = ("nii", "nii.gz")
GIFTI = ("gii", "func.gii", "shape.gii", "label.gii")
RESPONSES = _each("responses", *ARRAYS, *VOLUMES)
SIDED_RESPONSES = _each("responses", "mgh", "mgz", "gii", "func.gii", "shape.gii", "npy")
SIDED_MASK = _each("mask", "mgh", "mgz", *GIFTI)
ORDER = (*_each("stimuli", *_TEXT), *_each("events", *_TEXT))
COORDINATES = ("coordinates.npy",)
ROIS = _each("rois", *_TEXT)
ROI_VOLUME = _each("rois", *VOLUMES)
CEILING = _each("noise_ceiling", "npy", *_TEXT)
SPLITS = _each("splits", *_TEXT)
MASK = _each("mask", *VOLUMES)
VERTICES = _each("vertices", *_TEXT)
MATRICES = ("dissimilarities.npy",)

# What is about voxels, and so means nothing without responses.
VOXEL_FILES = (COORDINATES, ROIS, ROI_VOLUME, CEILING, MASK, VERTICES)
SUBJECT_FILES = (ORDER, *VOXEL_FILES, SPLITS, MATRICES)
_PER_SESSION = (
    *RESPONSES,
    *ORDER,
    *(f"{side}.{name}" for side in SIDES.values() for name in SIDED_RESPONSES),
)
_KNOWN = (
    *("images", "stimuli", "masks", "subjects", "rois", "surface", "dataset.toml", "participants.tsv"),
    *(name for names in SUBJECT_FILES for name in names),
    *(f"{side}.{name}" for side in SIDES.values() for name in SIDED_MASK),
    *_PER_SESSION,
)
_HOLDS = "images/ (png, jpg ...) and, as far as there are any, stimuli.csv, responses.npy, responses.csv, coordinates.npy ..."


@dataclass(frozen=True)
class Layout:
    """The places where the files of one subject may lie, the subject's own folder first."""

    places: tuple[Path, ...]

    def find(self, *names: str) -> Path | None:
        """The first of ``names`` that is there; what the subject's folder holds wins over what lies at the top.

        Raises DataError when two of ``names`` lie in one place, since nothing says which is meant, and for a broken link.
        """
        for place in self.places:
            found = [name for name in names if (place / name).exists()]
            for name in names:
                if name not in found and (place / name).is_symlink():
                    raise DataError(
                        f"{place / name} is a link to a file that is not there: fetch the file, or remove the link"
                    )
            if len(found) > 1:
                raise DataError(f"{place} holds both {' and '.join(found)}: keep the one that is meant")
            if found:
                return place / found[0]
        return None

    def find_sides(self, *names: str) -> tuple[Path, Path] | None:
        """``lh.<name>`` and ``rh.<name>`` from one place; DataError when a hemisphere is missing."""
        for place in self.places:
            here = Layout((place,))
            left, right = (here.find(*(f"{side}.{name}" for name in names)) for side in SIDES.values())
            if left and right:
                return left, right
            there = left or right
            if there:
                other = "rh" if left else "lh"
                raise DataError(f"no {there.with_name(other + there.name[2:])}, though {there.name} is there: both "
                                "hemispheres are needed")  # fmt: skip
        return None

    def responses(self) -> tuple[Path, ...]:
        """One file, or those of the left and the right hemisphere; empty without any."""
        for place in self.places:
            here = Layout((place,))
            whole, sides = here.find(*RESPONSES), here.find_sides(*SIDED_RESPONSES)
            if whole and sides:
                raise DataError(f"{place} holds both {whole.name} and {sides[0].name}: keep the one that is meant")
            if whole or sides:
                return sides or ((whole,) if whole else ())
        return ()

    def sessions(self) -> dict[str, Layout]:
        """Session folder -> where its files lie, in session order; empty where the subject has no ``ses-*/`` folders.

        Raises DataError for a gap in numbered sessions and for responses beside the sessions.
        """
        for place in self.places:
            folders = _folders(place, "ses-")
            if not folders:
                continue
            beside = Layout((place,)).responses()
            if beside:
                raise DataError(f"{place} holds both {beside[0].name} and ses-* folders: keep the one that is meant")
            _refuse_gap([folder.name for folder in folders])
            for folder in folders:
                refuse_unread_names(folder, _PER_SESSION)
            return {folder.name: Layout((folder,)) for folder in folders}
        return {}

    def has_responses(self) -> bool:
        """Whether there are any, in one session or several."""
        return bool(self.sessions() or self.responses())

    def images(self) -> Path:
        """The folder of this subject's images, ``stimuli/`` where there is no ``images/``; DataError if there is none."""
        folder = self.find("images") or self.find("stimuli")
        if folder is None or not folder.is_dir():
            raise DataError(f"no folder images/ in {self.places[0]}: it must hold {_HOLDS}")
        return folder

    def roi_masks(self) -> list[Path]:
        """The files in ``rois/``, sorted as text."""
        folder = self.find("rois")
        return (
            sorted(p for p in folder.iterdir() if p.suffix != ".json" and not p.name.startswith(".")) if folder else []
        )

    def files(self) -> Iterator[tuple[str, Path]]:
        """Every file that is read besides images, per-pixel masks and a surface: (name within the layout, file)."""
        found = [self.find(*names) for names in SUBJECT_FILES]
        yield from ((path.name, path) for path in (*found, *self.responses(), *self._sides_of_mask()) if path)
        yield from ((f"rois/{path.name}", path) for path in self.roi_masks())
        for name, session in self.sessions().items():
            for path in (*session.responses(), session.find(*ORDER)):
                if path:
                    yield f"{name}/{path.name}", path

    def _sides_of_mask(self) -> tuple[Path, ...]:
        return self.find_sides(*SIDED_MASK) or ()


def layouts(root: Path) -> dict[str, Layout]:
    """Subject name -> layout, numbers in names counted as numbers; one subject "1" where there are no folders of subjects.

    Raises DataError for a folder that is not there, an empty ``subjects/``, subjects in both ways and a near miss of a name.
    """
    if not root.is_dir():
        raise DataError(f"no folder {root}: --data names a folder that holds {_HOLDS}")
    refuse_unread_names(root, _KNOWN)
    bids = _folders(root, "sub-")
    if not (root / "subjects").is_dir():
        for folder in bids:
            refuse_unread_names(folder, _KNOWN)
        return {_subject(p): Layout((p, root)) for p in bids} or {"1": Layout((root,))}
    if bids:
        raise DataError(f"{root} holds both subjects/ and {bids[0].name}: keep the one that is meant")
    folders = _folders(root / "subjects", "")
    if not folders:
        raise DataError(f"{root / 'subjects'} is empty: it must hold one folder a subject; without it, leave it out")
    for folder in folders:
        refuse_unread_names(folder, _KNOWN)
    return {_subject(p): Layout((p, root)) for p in folders}


def _subject(folder: Path) -> str:
    return unicodedata.normalize("NFC", folder.name).removeprefix("sub-")


def natural(name: str) -> list[tuple[int, str]]:
    """Sort key that puts "s2" before "s10"."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)]


def _folders(place: Path, prefix: str) -> list[Path]:
    there = [p for p in place.iterdir() if p.name.startswith(prefix) and not p.name.startswith(".") and p.is_dir()]
    return sorted(there, key=lambda p: natural(p.name))


def _refuse_gap(names: list[str]) -> None:
    """DataError when of ses-01, ses-02, ses-03 one in the middle is missing."""
    numbers = [name.removeprefix("ses-") for name in names]
    if not all(number.isdecimal() for number in numbers):
        return
    for before, after in pairwise(numbers):
        if int(after) != int(before) + 1:
            missing = str(int(before) + 1).zfill(len(before))
            raise DataError(
                f"ses-{missing} is missing between ses-{before} and ses-{after}: add it, or number the others anew"
            )
