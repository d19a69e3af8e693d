"""Where the files of the release lie, below one root (NSD data manual). Light: nothing is opened."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from brainbench import DataError

SPACES = ("fsaverage", "func1pt8mm")
SIDES = {"lh": "left", "rh": "right"}
BUCKET = "s3://natural-scenes-dataset"
_MARKS = ("nsddata/experiments", "nsddata_betas/ppdata")


@dataclass(frozen=True)
class Layout:
    """The paths of one download. subject: "1" to "8"."""

    root: Path

    @property
    def design(self) -> Path:
        """The order of trials and the images of every subject."""
        return self.root / "nsddata" / "experiments" / "nsd" / "nsd_expdesign.mat"

    @property
    def table(self) -> Path:
        """One line an image: its nsdId and the trials that showed it."""
        return self.root / "nsddata" / "experiments" / "nsd" / "nsd_stim_info_merged.csv"

    @property
    def images(self) -> Path:
        """All 73,000 images."""
        return self.root / "nsddata_stimuli" / "stimuli" / "nsd" / "nsd_stimuli.hdf5"

    @property
    def fsaverage(self) -> Path:
        """The FreeSurfer subject that surface betas lie on."""
        return self.root / "nsddata" / "freesurfer" / "fsaverage"

    @property
    def simulated(self) -> bool:
        """Whether brainbench wrote this directory."""
        return self.marker.is_file()

    @property
    def marker(self) -> Path:
        """What brainbench writes beside simulated data."""
        return self.root / "simulated.txt"

    def behaviour(self, subject: str) -> Path:
        """One line a trial of this subject."""
        return self._ppdata(subject) / "behav" / "responses.tsv"

    def betas(self, subject: str, space: str, betas: str) -> Path:
        """The folder of one subject's sessions."""
        return self.root / "nsddata_betas" / "ppdata" / folder_of(subject) / space / betas

    def own_labels(self, subject: str) -> Path:
        """The folder of labels on the subject's own mesh."""
        return self.root / "nsddata" / "freesurfer" / folder_of(subject) / "label"

    @property
    def shared_labels(self) -> Path:
        """The folder of labels on fsaverage."""
        return self.fsaverage / "label"

    def transform(self, subject: str, side: str) -> Path:
        """For every vertex of fsaverage the vertex, counted from 1, of the subject's own mesh."""
        return self._ppdata(subject) / "transforms" / f"{side}.white-to-fsaverage.mgz"

    def volume_rois(self, subject: str) -> Path:
        """The folder of ROIs in the 1.8 mm volume."""
        return self._ppdata(subject) / "func1pt8mm" / "roi"

    def subjects(self, space: str, betas: str) -> tuple[str, ...]:
        """Those with a folder of such betas."""
        return tuple(name for name in map(str, range(1, 9)) if self.betas(name, space, betas).is_dir())

    def source(self, path: Path) -> str:
        """Where one gets a file of the release."""
        return f"{BUCKET}/{path.relative_to(self.root).as_posix()}"

    def _ppdata(self, subject: str) -> Path:
        return self.root / "nsddata" / "ppdata" / folder_of(subject)


def folder_of(subject: str) -> str:
    """The folder of one subject: subj01 of "1"."""
    return f"subj{int(subject):02d}"


def find_root(path: Path) -> Path | None:
    """The folder at ``path``, or one level or two above it or alone below it, that holds a download; None if there is none."""
    for place in (path, *path.resolve().parents[:2]):
        if _holds(place):
            return place
    for depth in ("*", "*/*"):
        below = [place for place in path.glob(depth) if _holds(place)]
        if below:
            return below[0] if len(below) == 1 else None
    return None


def open_layout(data: Path) -> Layout:
    """The layout at ``data``; DataError naming the right folder if that is a level or two away."""
    if not data.is_dir():
        raise DataError(
            f"no folder {data}: --data names the one that holds nsddata/, nsddata_betas/ and nsddata_stimuli/"
        )
    root = find_root(data)
    if root is None:
        raise DataError(f"{data} is not an NSD download: it must contain nsddata/, nsddata_betas/ and nsddata_stimuli/")
    if root != data:
        raise DataError(f"{data} is not the root of this download of NSD: give --data {root}")
    return Layout(root)


def _holds(place: Path) -> bool:
    return any((place / mark).is_dir() for mark in _MARKS)
