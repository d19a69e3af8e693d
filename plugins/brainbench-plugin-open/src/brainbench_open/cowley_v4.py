"""Macaque V4: spike counts of neurons to photographs, averaged over repeats (Cowley and others 2023).

A session is a subject: ``responses_S.npy``, [neurons, images], and ``images_S.zip``, whose sorted names are the columns.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

import numpy as np

from brainbench import DataError, Masks, Responses, Stimuli, UsageError, did_you_mean
from brainbench.datasets import (
    ArraySource,
    Images,
    Ledger,
    Measured,
    fetched,
    given_split,
    kept,
    list_images,
    lookalikes,
    open_npy,
    read_images,
    screen,
    survey,
    units,
)
from brainbench_open.plugin import COWLEY_V4

SESSIONS = ("190923", "201025", "210224")
# The reference split: every fifth image is held out.
HELD_OUT = 5


@dataclass(frozen=True)
class Session:
    """One session as it was read. key: that of the file of responses; split: [S]."""

    stimuli: Stimuli
    source: ArraySource
    split: np.ndarray
    notes: tuple[str, ...]


class CowleyV4:
    """The sessions in a folder. Each is read when it is first asked for."""

    version = "2023"
    provides = frozenset({"responses"})

    def __init__(self, root: Path, cache: Path) -> None:
        self._root, self._cache = root, cache
        self._read: dict[str, Session] = {}
        self.subjects: Sequence[str] = SESSIONS

    def stimuli(self, subject: str) -> Stimuli:
        """The photographs of a session, in the order of their names."""
        return self._session(subject).stimuli

    def survey(self, subject: str) -> Responses:
        """As ``responses``, without the values."""
        return survey(self._measured(subject), self._cache)

    def responses(self, subject: str) -> Responses:
        """Spike counts in 100 ms of a session's neurons, averaged over the repeats of an image."""
        return screen(self._measured(subject), self._cache)

    def masks(self, subject: str) -> Masks | None:
        """None: the photographs come without masks."""
        self._session(subject)
        return None

    def dissimilarities(self, subject: str) -> np.ndarray | None:
        """None: the release has responses alone."""
        self._session(subject)
        return None

    def _measured(self, subject: str) -> Measured:
        one = self._session(subject)
        return Measured(
            subject=subject,
            source=one.source,
            stimulus=np.arange(len(one.stimuli)),
            split=one.split,
            flat="neurons of one array in V4, whose places are not told",
            notes=one.notes,
        )

    def _session(self, name: str) -> Session:
        if name not in self.subjects:
            raise UsageError(
                f"no session {name!r}{did_you_mean(name, self.subjects)}; there are {', '.join(self.subjects)}"
            )
        if name not in self._read:
            ledger = Ledger(self._cache, self._root)
            try:
                self._read[name] = read_session(self._root, name, self._cache, ledger)
            finally:
                ledger.save()
        return self._read[name]


def read_session(root: Path, name: str, cache: Path, ledger: Ledger) -> Session:
    """Read one session. Raises DataError for files that are damaged, or hold different numbers of images."""
    archive, table = root / f"images_{name}.zip", root / f"responses_{name}.npy"
    images = _images(archive, cache / "cowley-v4" / f"{name}-{ledger.digest(archive)[:16]}", ledger)
    values = open_npy(table)
    if values.ndim != 2 or values.shape[1] != len(images.paths):
        raise DataError(
            f"{table} has shape {values.shape}, expected neurons x {len(images.paths)}, the images in {archive.name}; "
            "`brainbench data fetch cowley-v4` brings both"
        )
    places = np.arange(len(images.paths))
    alike = units(images.digests, [""] * len(places), lookalikes(images.signatures))
    split, notes = given_split(
        np.where(places % HELD_OUT, "train", "test").astype("<U5"), images.digests, alike, seed=0
    )
    return Session(
        Stimuli(tuple(path.name for path in images.paths), images.digests, images.open),
        ArraySource(ledger.digest(table), table, (values.T,)),
        split,
        (f"test: every {HELD_OUT}th image", *notes),
    )


def _images(archive: Path, folder: Path, ledger: Ledger) -> Images:
    kept(folder, lambda draft: _unpack(archive, draft))
    return read_images(folder, tuple(list_images(folder)), ledger)


def _unpack(archive: Path, folder: Path) -> None:
    folder.mkdir()
    try:
        with ZipFile(archive) as packed:
            for name in packed.namelist():
                # The last part alone: no name of an archive leads out of the folder.
                if not name.endswith("/") and "__MACOSX" not in name:
                    (folder / Path(name).name).write_bytes(packed.read(name))
    except BadZipFile as problem:
        raise DataError(
            f"{archive} is damaged ({problem}); delete it and `brainbench data fetch {COWLEY_V4.name}`"
        ) from problem


def load(*, settings: Mapping[str, Any], data: Path | None, cache: Path) -> CowleyV4:
    """Open the downloads in ``data``, or those of ``brainbench data fetch cowley-v4``; no session is read yet.

    Raises DataError if a file is missing.
    """
    return CowleyV4(fetched(COWLEY_V4.name, COWLEY_V4.downloads, data, cache), cache)
