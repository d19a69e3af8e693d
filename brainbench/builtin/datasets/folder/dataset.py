"""The dataset object: everything that can be checked without reading all the values is checked at load.

Where a line lives: names of files in layout.py; formats in formats.py and neuroimaging.py, joined in matrices.py and responses.py;
what voxels are in space.py, rois.py, ceiling.py and voxels.py; images and their order in stimuli.py; one subject in subject.py,
all of them in subjects.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from brainbench import DataError, Masks, Responses, Stimuli, UsageError, did_you_mean
from brainbench.builtin.datasets.folder.about import About, read_about
from brainbench.builtin.datasets.folder.ceiling import chance_note, estimated_ceiling
from brainbench.builtin.datasets.folder.subject import Subject
from brainbench.builtin.datasets.folder.subjects import Read, read_subjects
from brainbench.datasets import Ledger, Measured, Source, ZScored, content_digest, screen, survey


class FolderDataset:
    """An experiment in a folder.

    title, licence, units, simulated: from ``dataset.toml``; version: of everything that was read; where
    subjects have folders, of the experiment's name and of the files that they share, so that a further subject changes no other.
    A subject that could not be
    read keeps its DataError, which is raised when it is asked for, so that the others can be used.
    """

    def __init__(self, about: About, subjects: Mapping[str, Read], settings: Mapping[str, Any], cache: Path) -> None:
        self._subjects, self._settings, self._cache = subjects, settings, cache
        self.subjects: Sequence[str] = tuple(subjects)
        self.version = _version(about.name, subjects)
        self.provides = frozenset[str]().union(*(one.provides for one in subjects.values() if isinstance(one, Subject)))
        self.title, self.licence, self.units, self.simulated = about.name, about.licence, about.units, about.simulated

    def stimuli(self, subject: str) -> Stimuli:
        """The images this subject saw."""
        return self._subject(subject).seen.stimuli

    def survey(self, subject: str) -> Responses | None:
        """As ``responses``, without the values."""
        measured = self._measured(subject)
        return None if measured is None else survey(measured, self._cache)

    def responses(self, subject: str) -> Responses | None:
        """The screened values of one subject, in the units of the file."""
        measured = self._measured(subject)
        return None if measured is None else screen(measured, self._cache)

    def content(self, subject: str) -> str:
        """Changes with everything that was read for this subject, and with its split."""
        return self._subject(subject).content

    def masks(self, subject: str) -> Masks | None:
        """Per-pixel classes of this subject's images, if there are any."""
        files = self._subject(subject).masks
        return files.masks if files else None

    def dissimilarities(self, subject: str) -> np.ndarray | None:
        """[S, S] measured dissimilarities, if there are any."""
        return self._subject(subject).matrix

    def _measured(self, name: str) -> Measured | None:
        one = self._subject(name)
        if one.voxels is None or one.split is None:
            return None
        stimulus, average = one.seen.rows, self._settings["repeats"] == "average"
        source: Source = one.voxels.source
        split, notes = one.split[stimulus], [*one.notes]
        if self._settings["zscore"] == "session":
            source = ZScored(source, one.seen.session)
            notes.append(f"responses z-scored per voxel in each of {len(one.seen.sessions)} sessions")
        ceiling = one.voxels.noise_ceiling
        if ceiling is None and (estimate := estimated_ceiling(source, stimulus, split, average, self._cache)):
            ceiling, note = estimate
            notes.append(note)
        chance = chance_note(source, stimulus, split, one.voxels.rois, self._cache)
        notes += [chance] if chance else []
        if average:
            notes.append("responses averaged over the trials of an image")
        return Measured(
            subject=name,
            source=source,
            stimulus=stimulus,
            split=split,
            average=average,
            coordinates=one.voxels.coordinates,
            flat="no coordinates.npy",
            rois=one.voxels.rois,
            noise_ceiling=ceiling,
            surface=one.voxels.surface,
            notes=tuple(notes),
        )

    def _subject(self, name: str) -> Subject:
        if name not in self._subjects:
            allowed = ", ".join(self._subjects)
            raise UsageError(f"no subject {name!r}{did_you_mean(name, self._subjects)}; this folder has {allowed}")
        one = self._subjects[name]
        if isinstance(one, DataError):
            raise DataError(str(one)) from one
        return one


def _version(title: str, subjects: Mapping[str, Read]) -> str:
    read = {name: one for name, one in subjects.items() if isinstance(one, Subject)}
    shared = [one.shared for one in read.values() if one.shared is not None]
    if shared:
        parts = [title, *sorted({part for parts in shared for part in parts})]
    else:
        parts = [f"{name}:{one.digest}" for name, one in read.items()]
    return content_digest(*(f"{part}\n".encode() for part in parts))[:12]


def load(*, settings: Mapping[str, Any], data: Path | None, cache: Path) -> FolderDataset:
    """Check the folder ``data`` and hand it on as a dataset; every image is decoded once and remembered in ``cache``.

    Raises DataError for anything that is missing, damaged or does not fit, unless another subject can be read; UsageError
    without ``data``.
    """
    if data is None:
        raise UsageError("dataset folder needs --data PATH: a folder with images/ and what was measured")
    about = read_about(data)
    ledger = Ledger(cache, data)
    try:
        subjects = read_subjects(data, about.mesh, ledger, settings["split_seed"])
    finally:
        ledger.save()
    return FolderDataset(about, subjects, settings, cache)
