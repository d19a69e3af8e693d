"""Where the files of the release lie. Light: the card asks it for the root."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

SIDES: dict[str, str] = {"lh": "left", "rh": "right"}
# Names of ROI classes, as the release's own tutorial lists them.
CLASSES = ("prf-visualrois", "floc-bodies", "floc-faces", "floc-places", "floc-words", "streams")
VERTICES = 163_842  # of one side of fsaverage
SIMULATED = "simulated.txt"
_PARTS = ("training_split", "test_split", "roi_masks")


@dataclass(frozen=True)
class SubjectFolder:
    """The places of one subject's files; side: lh or rh."""

    path: Path

    @property
    def name(self) -> str:
        """The subject as it is called: "1" for subj01."""
        return str(int(self.path.name.removeprefix("subj")))

    @property
    def train_images(self) -> Path:
        """The folder of the images that there are responses to."""
        return self.path / "training_split" / "training_images"

    @property
    def test_images(self) -> Path:
        """The folder of the images whose responses are withheld."""
        return self.path / "test_split" / "test_images"

    def responses(self, side: str) -> Path:
        """Images x vertices of one side."""
        return self.path / "training_split" / "training_fmri" / f"{side}_training_fmri.npy"

    def mask(self, side: str, kind: str, space: Literal["challenge", "fsaverage"]) -> Path:
        """The ROIs of one class as numbers, one a vertex of the space."""
        return self.path / "roi_masks" / f"{side}.{kind}_{space}_space.npy"

    def all_vertices(self, side: str) -> Path:
        """Which vertices of fsaverage make up challenge space: 163,842 zeros and ones."""
        return self.mask(side, "all-vertices", "fsaverage")

    def mapping(self, kind: str) -> Path:
        """What the numbers in the masks of one class mean."""
        return self.path / "roi_masks" / f"mapping_{kind}.npy"


def root(path: Path) -> Path | None:
    """``path``, or the nearest folder up to two levels above or below it, that holds subj01, subj02 ... of the release."""
    whole = path.absolute()
    near = (*whole.parents[:2], *(child for level in _below(whole) for child in level))
    return path if _is_root(path) else next((place for place in near if _is_root(place)), None)


def subjects(place: Path) -> dict[str, SubjectFolder]:
    """Name -> folder, of all that are there, in the order of their numbers."""
    folders = [SubjectFolder(path) for path in _folders(place) if re.fullmatch(r"subj\d\d", path.name)]
    return {folder.name: folder for folder in folders}


def _is_root(place: Path) -> bool:
    return any((folder.path / part).is_dir() for folder in subjects(place).values() for part in _PARTS)


def _below(place: Path) -> Iterator[list[Path]]:
    children = _folders(place)
    yield children
    yield [grandchild for child in children for grandchild in _folders(child)]


def _folders(place: Path) -> list[Path]:
    try:
        return sorted(path for path in place.iterdir() if path.is_dir() and not path.name.startswith("."))
    except OSError:  # no folder, or not ours to read
        return []
