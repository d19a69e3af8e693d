"""The dataset object. Subjects are read when they are asked for, so that damage to one does not stop the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from brainbench import DataError, Masks, Responses, Stimuli, UsageError, did_you_mean
from brainbench.datasets import Ledger, content_digest, screen, survey
from brainbench_nsd.nsd.contents import provides
from brainbench_nsd.nsd.layout import SPACES, Layout, open_layout
from brainbench_nsd.nsd.sessions import choose, spelled, surface_sessions, volume_sessions
from brainbench_nsd.nsd.subject import Subject, read_subject


class NsdDataset:
    """NSD in one space and one preparation of the betas.

    version: of what all subjects share, the design and the table of images; what was measured is in the responses' own key, so
    that a subject downloaded later changes no other. simulated: brainbench wrote these files, under ``licence``.
    """

    def __init__(self, layout: Layout, subjects: Sequence[str], settings: Mapping[str, Any], cache: Path) -> None:
        self._layout, self._settings, self._cache = layout, settings, cache
        self._ledger = Ledger(cache, layout.root)
        self._read: dict[str, Subject] = {}
        self.subjects: Sequence[str] = tuple(subjects)
        self.provides = frozenset(provides(layout, subjects, settings))
        self.simulated = layout.simulated
        self.licence = "MIT" if self.simulated else None  # None: that of the card
        self.version = self._version()

    def stimuli(self, subject: str) -> Stimuli:
        """The images this subject saw in the sessions that are used, in the order of their ids."""
        return self._subject(subject).stimuli

    def survey(self, subject: str) -> Responses:
        """As ``responses``, without the values."""
        return survey(self._subject(subject).measured(), self._cache)

    def responses(self, subject: str) -> Responses:
        """The screened betas of one subject: z-scores or, without z-scoring, percent signal change."""
        return screen(self._subject(subject).measured(), self._cache)

    def content(self, subject: str) -> str:
        """The sessions that are used: they decide which images there are, and so the split."""
        space = self._settings["space"]
        folder = self._layout.betas(subject, space, self._settings["betas"])
        there = surface_sessions(folder) if space == "fsaverage" else volume_sessions(folder)
        return f"sessions {spelled(choose(tuple(there), self._settings['sessions'], folder))}"

    def masks(self, subject: str) -> Masks | None:
        """None: the images come without masks."""
        return None

    def dissimilarities(self, subject: str) -> np.ndarray | None:
        """None: none are given."""
        return None

    def _version(self) -> str:
        if self.simulated:
            return f"simulated {self._ledger.digest(self._layout.marker)[:12]}"
        files = (self._layout.design, self._layout.table)
        return content_digest(*(self._ledger.digest(path).encode() for path in files))[:12]

    def _subject(self, name: str) -> Subject:
        if name not in self.subjects:
            allowed = ", ".join(self.subjects)
            raise UsageError(f"no subject {name!r}{did_you_mean(name, self.subjects)}; this download has {allowed}")
        if name not in self._read:
            try:
                self._read[name] = read_subject(self._layout, name, self._settings, self._ledger)
            finally:
                self._ledger.save()
        return self._read[name]


def load(*, settings: Mapping[str, Any], data: Path | None, cache: Path) -> NsdDataset:
    """The download of NSD at ``data``; no betas are read yet.

    Raises DataError for another folder or one without such betas, UsageError without ``data``.
    """
    if data is None:
        raise UsageError(
            "dataset nsd needs --data PATH: the folder that holds nsddata/, nsddata_betas/, nsddata_stimuli/"
        )
    layout = open_layout(data)
    subjects = layout.subjects(settings["space"], settings["betas"])
    if not subjects:
        raise DataError(_none(layout, settings["space"], settings["betas"]))
    return NsdDataset(layout, subjects, settings, cache)


def _none(layout: Layout, space: str, betas: str) -> str:
    """That there are no such betas, and which there are."""
    folders = (
        place.relative_to(layout.root / "nsddata_betas" / "ppdata")
        for place in sorted((layout.root / "nsddata_betas" / "ppdata").glob("subj*/*/*"))
        if place.is_dir() and place.parent.name in SPACES
    )
    pairs = dict.fromkeys(place.parts[1:] for place in folders)
    there = " and ".join(f"--set nsd.space={place} --set nsd.betas={name}" for place, name in pairs)
    found = f"there is {there}" if there else f"fetch {layout.source(layout.betas('1', space, betas))}"
    return f"no nsddata_betas/ppdata/subj01..08/{space}/{betas} in {layout.root}: {found}"
