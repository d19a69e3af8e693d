"""The dataset object: everything that can be checked without reading all the values is checked at load."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from brainbench import DataError, Masks, Responses, Stimuli, UsageError, did_you_mean
from brainbench.builtin.datasets.folder.about import About, read_about
from brainbench.builtin.datasets.folder.dissimilarities import count_matrices
from brainbench.builtin.datasets.folder.layout import Layout, layouts
from brainbench.builtin.datasets.folder.subject import Subject, read_subject
from brainbench.builtin.datasets.folder.voxels import RESPONSES
from brainbench.datasets import Ledger, Measured, content_digest, list_images, screen, survey

_VOXEL_FILES = ("coordinates.npy", "rois.csv", "noise_ceiling.npy")


class FolderDataset:
    """An experiment in a folder.

    title, licence, units, simulated: from ``dataset.toml``; version: of everything else that was read.
    """

    def __init__(self, about: About, subjects: Sequence[Subject], cache: Path) -> None:
        self._cache = cache
        self._subjects = {subject.name: subject for subject in subjects}
        self.subjects: Sequence[str] = tuple(self._subjects)
        self.version = content_digest(*(f"{s.name}:{s.digest}\n".encode() for s in subjects))[:12]
        self.provides = frozenset[str]().union(*(subject.provides for subject in subjects))
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
        return Measured(
            subject=name,
            source=one.voxels.source,
            stimulus=one.seen.rows,
            split=one.split[one.seen.rows],
            coordinates=one.voxels.coordinates,
            flat="no coordinates.npy",
            rois=one.voxels.rois,
            noise_ceiling=one.voxels.noise_ceiling,
            notes=one.notes,
        )

    def _subject(self, name: str) -> Subject:
        if name not in self._subjects:
            allowed = ", ".join(self._subjects)
            raise UsageError(f"no subject {name!r}{did_you_mean(name, self._subjects)}; this folder has {allowed}")
        return self._subjects[name]


def load(*, settings: Mapping[str, Any], data: Path | None, cache: Path) -> FolderDataset:
    """Check the folder ``data`` and hand it on as a dataset; every image is decoded once and remembered in ``cache``.

    Raises DataError for anything that is missing, damaged or does not fit, UsageError without ``data``.
    """
    if data is None:
        raise UsageError("dataset folder needs --data PATH: a folder with images/ and what was measured")
    places = _places(data)
    about = read_about(data)
    ledger = Ledger(cache, data)
    try:
        known = {name for layout in places.values() for name in list_images(layout.images())}
        subjects = [read_subject(name, places, known, ledger, settings["split_seed"]) for name in places]
    finally:
        ledger.save()
    return FolderDataset(about, subjects, cache)


def _places(root: Path) -> dict[str, Layout]:
    """Subject name -> layout; without ``subjects/`` there are as many subjects as matrices of dissimilarities."""
    places = layouts(root)
    has_responses = any(layout.find(*RESPONSES) for layout in places.values())
    lonely = [name for name in _VOXEL_FILES for layout in places.values() if layout.find(name)]
    if lonely and not has_responses:
        raise DataError(f"{root} holds {lonely[0]} but neither responses.npy nor responses.csv, which it is about")
    _refuse_shared_responses(places)
    matrices = root / "dissimilarities.npy"
    if (root / "subjects").is_dir() or not matrices.exists():
        return places
    count = count_matrices(matrices)
    if count > 1 and has_responses:
        message = f"{matrices} holds {count} matrices, but the responses are of one subject"
        raise DataError(f"{message}: put each subject's files into subjects/<name>/")
    return {str(number): places["1"] for number in range(1, count + 1)}


def _refuse_shared_responses(places: Mapping[str, Layout]) -> None:
    owners: dict[Path, str] = {}
    for name, layout in places.items():
        path = layout.find(*RESPONSES)
        if path and owners.setdefault(path, name) != name:
            message = f"{path} would stand for subjects {owners[path]} and {name} alike"
            raise DataError(f"{message}: put each subject's responses into subjects/<name>/")
