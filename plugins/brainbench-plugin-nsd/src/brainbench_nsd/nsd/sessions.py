"""Which sessions are there, and which of them are used."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from brainbench import DataError, UsageError

_NAME = re.compile(r"(?:(?P<side>lh|rh)\.)?betas_session(?P<number>\d\d)\.(?P<suffix>mgh|hdf5|nii\.gz)")


def surface_sessions(folder: Path) -> dict[int, tuple[Path, Path]]:
    """Session -> the files of the left and the right hemisphere; DataError where one of the two is missing."""
    found = _sessions(folder, {"lh": "lh", "rh": "rh"}, "side")
    for number, sides in found.items():
        for side, other in (("lh", "rh"), ("rh", "lh")):
            if side not in sides:
                missing = folder / f"{side}.betas_session{number:02d}.mgh"
                raise DataError(f"no {missing}, though {sides[other].name} is there: both hemispheres are needed")
    return {number: (sides["lh"], sides["rh"]) for number, sides in found.items()}


def volume_sessions(folder: Path) -> dict[int, Path]:
    """Session -> its file, .hdf5 rather than .nii.gz where both are there: the values are the same, and quicker to read."""
    found = _sessions(folder, {"hdf5": "hdf5", "nii.gz": "nii.gz"}, "suffix")
    return {number: files.get("hdf5") or files["nii.gz"] for number, files in found.items()}


def choose(there: Sequence[int], given: str, folder: Path) -> tuple[int, ...]:
    """The sessions to use: those ``given`` ("1,2,4" or "1-37"), or all, which must be 1, 2, 3 ... without a gap.

    Raises DataError for a session that is not there, UsageError for a text that names none.
    """
    if not there:
        raise DataError(f"no betas_session*.mgh, .hdf5 or .nii.gz in {folder}: fetch the sessions to be used")
    wanted = _parse(given) if given.strip() else tuple(range(1, max(there) + 1))
    missing = [number for number in wanted if number not in there]
    if missing:
        use = f"or use --set nsd.sessions={spelled(there)}"
        raise DataError(
            f"no betas of session {spelled(missing)} in {folder}, which holds {spelled(there)}: fetch them, {use}"
        )
    return wanted


def number_of(path: Path) -> int:
    """The session of one file; ValueError if its name is of another kind."""
    match = _NAME.fullmatch(path.name)
    if match is None:
        raise ValueError(path.name)
    return int(match["number"])


def spelled(numbers: Sequence[int]) -> str:
    """[1, 2, 3, 5] -> "1-3,5"."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ",".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)


def _parse(given: str) -> tuple[int, ...]:
    numbers: set[int] = set()
    for part in given.split(","):
        match = re.fullmatch(r"(\d+)(?:-(\d+))?", part.strip())
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
        if not 1 <= first <= last:
            raise UsageError(f"nsd.sessions={given}: expected numbers and ranges from 1 on, e.g. 1-37 or 1,2,4")
        numbers |= set(range(first, last + 1))
    return tuple(sorted(numbers))


def _sessions(folder: Path, words: dict[str, str], group: str) -> dict[int, dict[str, Path]]:
    """Session -> side or suffix -> file."""
    found: dict[int, dict[str, Path]] = {}
    for path in sorted(folder.iterdir()):
        match = _NAME.fullmatch(path.name)
        if match and match[group] in words:
            found.setdefault(int(match["number"]), {})[match[group]] = path
    return dict(sorted(found.items()))
