"""The dataset object: a subject is read and checked when it is first asked for, so that a damaged one stops no other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from brainbench import DataError, Masks, Responses, Stimuli, UsageError, did_you_mean
from brainbench.datasets import Cortex, Ledger, Measured, content_digest, find_cortex, screen, survey
from brainbench_nsd.algonauts import layout
from brainbench_nsd.algonauts.layout import CLASSES, SIDES, SIMULATED, VERTICES
from brainbench_nsd.algonauts.subject import Subject, read_subject

FLAT = (
    f"no surface of {VERTICES:,} vertices a side was found (nilearn.datasets.fetch_surf_fsaverage('fsaverage') downloads "
    "one; algonauts2023.surface=PATH names another)"
)


class Algonauts2023:
    """The release in a folder. simulated: made by ``brainbench data make``, under ``licence``; version: of the release."""

    def __init__(self, root: Path, settings: Mapping[str, Any], cortex: Cortex | None, cache: Path) -> None:
        self._root, self._settings, self._cortex, self._cache = root, settings, cortex, cache
        self._folders = layout.subjects(root)
        self._read: dict[str, Subject] = {}
        self.subjects: Sequence[str] = tuple(self._folders)
        label = root / SIMULATED
        self.simulated = label.is_file()
        self.licence = "MIT" if self.simulated else None  # None: that of the card
        # What the files hold is in the keys of stimuli and responses: a subject that is downloaded later changes no other.
        self.version = f"simulated {content_digest(label.read_bytes())[:12]}" if self.simulated else "2023"
        parts = {"responses": True, "rois": self._has_masks(), "coordinates": cortex is not None}
        self.provides = frozenset(name for name, there in parts.items() if there)

    def stimuli(self, subject: str) -> Stimuli:
        """The images with responses in the order of their numbers, then the test images if they were asked for."""
        return self._subject(subject).stimuli

    def survey(self, subject: str) -> Responses:
        """As ``responses``, without the values."""
        return survey(self._measured(subject), self._cache)

    def responses(self, subject: str) -> Responses:
        """Responses of both sides, the left first, as released: z-scored by session and averaged over an image's repeats."""
        return screen(self._measured(subject), self._cache)

    def masks(self, subject: str) -> Masks | None:
        """None: the release has no pixel masks."""
        self._subject(subject)
        return None

    def dissimilarities(self, subject: str) -> np.ndarray | None:
        """None: the release has none."""
        self._subject(subject)
        return None

    def _has_masks(self) -> bool:
        places = [(folder, side, kind) for folder in self._folders.values() for side in SIDES for kind in CLASSES]
        return any(folder.mask(side, kind, "challenge").exists() for folder, side, kind in places)

    def _measured(self, name: str) -> Measured:
        one, cortex = self._subject(name), self._cortex
        found = [f"coordinates from the {self._settings['shape']} surface of {cortex.name}"] if cortex else []
        return Measured(
            subject=name,
            source=one.source,
            stimulus=np.arange(len(one.split)),
            split=one.split,
            coordinates=cortex.coordinates(one.surface.hemisphere, one.surface.vertex) if cortex else None,
            flat=FLAT,
            rois=one.rois,
            surface=one.surface,
            notes=(*one.notes, *found),
        )

    def _subject(self, name: str) -> Subject:
        if name not in self._folders:
            raise UsageError(
                f"no subject {name!r}{did_you_mean(name, self.subjects)}; there are {', '.join(self.subjects)}"
            )
        if name not in self._read:
            ledger = Ledger(self._cache, self._root)
            try:
                self._read[name] = read_subject(
                    self._folders[name], ledger, self._settings["split_seed"], self._settings["test_split"]
                )
            finally:
                ledger.save()
        return self._read[name]


def load(*, settings: Mapping[str, Any], data: Path | None, cache: Path) -> Algonauts2023:
    """Open the folder ``data`` that holds subj01, subj02 ...; no subject is read yet.

    Raises DataError for another folder, naming the right one where that is near, and for a surface that cannot be read;
    UsageError without ``data``.
    """
    if data is None:
        raise UsageError("dataset algonauts2023 needs --data PATH: the folder that holds subj01, subj02 ...")
    found = layout.root(data)
    if found is None:
        raise DataError(
            f"no Algonauts 2023 data in {data}: --data names the folder that holds subj01, subj02 ..., each with "
            "training_split/ and roi_masks/"
        )
    if found != data:
        raise DataError(f"{data} is not the folder that holds subj01, subj02 ...: give --data {found}")
    return Algonauts2023(data, settings, find_surface(data, settings), cache)


def find_surface(root: Path, settings: Mapping[str, Any]) -> Cortex | None:
    """The surface that a setting names, else the one in ROOT/fsaverage, else one in the usual places, if there is one."""
    beside = root / "fsaverage"
    given = settings["surface"] or (str(beside) if beside.is_dir() else "")
    return find_cortex(given, VERTICES, settings["shape"], "challenge space's mesh, fsaverage")
