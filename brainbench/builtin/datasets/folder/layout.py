"""Where the files of an experiment lie: at the top of the folder, or per subject under ``subjects/<name>/``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from brainbench import DataError
from brainbench.datasets import near_miss

SUBJECT_FILES = (
    "stimuli.csv",
    "responses.npy",
    "responses.csv",
    "coordinates.npy",
    "rois.csv",
    "noise_ceiling.npy",
    "splits.csv",
    "dissimilarities.npy",
)
_KNOWN = ("images", "masks", "subjects", "dataset.toml", *SUBJECT_FILES)
_HOLDS = "images/ (png, jpg, jpeg) and, as far as there are any, " + ", ".join(SUBJECT_FILES[:4]) + " ..."


@dataclass(frozen=True)
class Layout:
    """The places where the files of one subject may lie, the subject's own folder first."""

    places: tuple[Path, ...]

    def find(self, *names: str) -> Path | None:
        """The first of ``names`` that is there; what the subject's folder holds wins over what lies at the top.

        Raises DataError when two of ``names`` lie in one place: nothing says which is meant.
        """
        for place in self.places:
            found = [name for name in names if (place / name).exists()]
            if len(found) > 1:
                raise DataError(f"{place} holds both {' and '.join(found)}: keep the one that is meant")
            if found:
                return place / found[0]
        return None

    def images(self) -> Path:
        """The folder of this subject's images; DataError if there is none."""
        folder = self.find("images")
        if folder is None or not folder.is_dir():
            raise DataError(f"no folder images/ in {self.places[0]}: it must hold {_HOLDS}")
        return folder


def layouts(root: Path) -> dict[str, Layout]:
    """Subject name -> layout, numbers in names counted as numbers; one subject "1" where there is no ``subjects/``.

    Raises DataError for a folder that is not there, an empty ``subjects/`` or a file whose name is a near miss.
    """
    if not root.is_dir():
        raise DataError(f"no folder {root}: --data names a folder that holds {_HOLDS}")
    _refuse_near_miss(root)
    if not (root / "subjects").is_dir():
        return {"1": Layout((root,))}
    folders = [p for p in (root / "subjects").iterdir() if p.is_dir() and not p.name.startswith(".")]
    if not folders:
        raise DataError(f"{root / 'subjects'} is empty: it must hold one folder a subject; without it, leave it out")
    for folder in folders:
        _refuse_near_miss(folder)
    return {p.name: Layout((p, root)) for p in sorted(folders, key=lambda p: natural(p.name))}


def natural(name: str) -> list[tuple[int, str]]:
    """Sort key that puts "s2" before "s10"."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)]


def _refuse_near_miss(folder: Path) -> None:
    slip = near_miss((p.name for p in folder.iterdir()), _KNOWN)
    if slip:
        raise DataError(f"{folder / slip[0]} would not be read: did you mean {slip[1]!r}? Rename it")
