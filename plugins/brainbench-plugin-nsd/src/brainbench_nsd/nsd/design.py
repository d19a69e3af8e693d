"""Which image every trial showed: the design, held against what was logged and against the table of images."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from brainbench import DataError
from brainbench_nsd.nsd.layout import Layout

_MATRICES = ("masterordering", "subjectim", "sharedix")


@dataclass(frozen=True)
class Design:
    """One subject's trials, in the order in which they were run.

    session: [T], from 1; image: [T] nsdId, from 0 (one less than the 73KID); shared: nsdIds of the images everybody saw, sorted.
    """

    session: np.ndarray
    image: np.ndarray
    shared: np.ndarray

    def trials(self, session: int) -> np.ndarray:
        """The trials of one session, ascending."""
        return np.flatnonzero(self.session == session)


def read_design(layout: Layout, subject: str) -> Design:
    """Trial -> image from ``nsd_expdesign.mat``, trial -> session from ``responses.tsv``.

    Raises DataError for a file that is missing or damaged and for the first trial on which the design, ``responses.tsv`` and
    ``nsd_stim_info_merged.csv`` disagree.
    """
    matrices = _read_matrices(layout.design)
    order, images = matrices["masterordering"].ravel() - 1, matrices["subjectim"]
    if len(images) < int(subject) or order.min() < 0 or order.max() >= images.shape[1]:
        raise DataError(f"{layout.design}: masterordering and subjectim do not fit together: copy the file again")
    planned = images[int(subject) - 1, order] - 1
    log = _read_log(layout.behaviour(subject), subject)
    if len(log) > len(planned):
        raise DataError(f"{layout.behaviour(subject)} has {len(log)} trials, but {layout.design} only {len(planned)}")
    session, image = log["SESSION"].to_numpy(), planned[: len(log)]
    _compare(session, image, log["73KID"].to_numpy() - 1, layout.design, layout.behaviour(subject))
    listed, shared = _read_table(layout.table, subject, len(log))
    _compare(session, image, listed, layout.design, layout.table)
    if not np.array_equal(np.sort(matrices["sharedix"].ravel() - 1), shared):
        raise DataError(f"{layout.design} and {layout.table} name different shared images: take both from one release")
    return Design(session, image, shared)


def _compare(session: np.ndarray, image: np.ndarray, other: np.ndarray, design: Path, where: Path) -> None:
    differ = np.flatnonzero(image != other)
    if differ.size:
        trial = int(differ[0])
        found = f"73KID {other[trial] + 1}" if other[trial] >= 0 else "no image"
        message = f"trial {trial + 1} (session {session[trial]}) showed 73KID {image[trial] + 1} in {design}"
        raise DataError(f"{message}, but {found} in {where}: take both from one release")


def _read_matrices(path: Path) -> dict[str, np.ndarray]:
    from scipy.io import loadmat

    _expect(path)
    try:
        found: dict[str, Any] = loadmat(path, variable_names=_MATRICES)
        return {name: np.asarray(found[name]).astype(np.int64) for name in _MATRICES}
    except KeyError as problem:
        raise DataError(f"{path} holds no {problem}: it must be NSD's own, with {', '.join(_MATRICES)}") from problem
    except Exception as problem:  # a damaged file makes the reader raise nearly anything
        raise DataError(f"{path} cannot be read as a MATLAB file: copy it again") from problem


def _read_log(path: Path, subject: str) -> Any:
    """A table with columns SESSION and 73KID."""
    log = _read_csv(path, ("SUBJECT", "SESSION", "73KID"), separator="\t")
    other = log["SUBJECT"][log["SUBJECT"] != int(subject)]
    if len(other):
        raise DataError(f"{path}, line {other.index[0] + 2}: subject {other.iloc[0]}, expected {subject} throughout")
    if not len(log) or (np.diff(log["SESSION"]) < 0).any():
        raise DataError(f"{path}: no trials, or not session by session: copy it again")
    return log


def _read_table(path: Path, subject: str, trials: int) -> tuple[np.ndarray, np.ndarray]:
    """[trials] nsdId, -1 for a trial that no image names; and the nsdIds of the shared images, sorted."""
    repeats = [f"subject{subject}_rep{number}" for number in range(3)]
    table = _read_csv(path, ("nsdId", "shared1000", *repeats))
    image, listed = table["nsdId"].to_numpy(), np.full(trials, -1)
    for name in repeats:
        trial = table[name].to_numpy()
        shown = (trial > 0) & (trial <= trials)
        listed[trial[shown] - 1] = image[shown]
    return listed, np.sort(image[table["shared1000"].to_numpy().astype(bool)])


def _read_csv(path: Path, columns: tuple[str, ...], separator: str = ",") -> Any:
    import pandas as pd

    _expect(path)
    try:
        table = pd.read_csv(path, sep=separator, usecols=lambda name: name in columns)
    except (ValueError, UnicodeDecodeError) as problem:
        raise DataError(f"{path} cannot be read as a table ({problem}): copy it again") from problem
    missing = [name for name in columns if name not in table]
    if missing:
        raise DataError(f"{path}: no column {', '.join(missing)}; it must be NSD's own")
    strange = [name for name in columns if table[name].dtype.kind not in "iub"]
    if strange:
        raise DataError(f"{path}: column {strange[0]} holds something other than whole numbers: copy it again")
    return table


def _expect(path: Path) -> None:
    if not path.is_file():
        raise DataError(f"no {path}: fetch it from the release (docs/data/nsd.md)")
