"""What is under way in a results folder: which jobs are planned, and which machine is at which of them.

All of it is in ``.runs``. A plan is written when a run begins and removed when its boards are written, so that the plan of a
run that was killed, or that was handed to a cluster, stays. A note is written when a job begins and removed when it ends.
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from brainbench.util.files import remove, write_atomically

_FOLDER, _NOTES = ".runs", "at-work"


@dataclass(frozen=True)
class Note:
    """A process that began a job. since: seconds since 1970, by the clock of its machine."""

    label: str
    host: str
    process: int
    since: float


def work_folder(results: Path, engine: str) -> Path:
    """Return the folder where an engine may keep scripts and logs."""
    return results / _FOLDER / engine


def write_plan(results: Path, name: str, jobs: Mapping[str, str]) -> None:
    """Write down which jobs a run will do, key -> label. A run of the same name replaces its plan."""
    folder = results / _FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / f"{name}.json", json.dumps(jobs).encode())


def end_plan(results: Path, name: str) -> None:
    """Remove the plan of a run that is over."""
    remove(results / _FOLDER / f"{name}.json")


def planned(results: Path) -> dict[str, str]:
    """Return the jobs of all runs that are not over, key -> label."""
    found: dict[str, str] = {}
    for path in sorted((results / _FOLDER).glob("*.json")):
        found |= json.loads(path.read_bytes())
    return found


@contextmanager
def noted(results: Path, key: str, label: str, say: Callable[[str], None]) -> Iterator[None]:
    """Inside, a note says that this process is at a job.

    say: hears that another process began the same job meanwhile, which a lock should have kept it from.
    """
    path = results / _FOLDER / _NOTES / f"{key}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    mine = Note(label, socket.gethostname(), os.getpid(), time.time())
    path.write_text(json.dumps(asdict(mine)))
    try:
        yield
    finally:
        now = _read(path)
        if now in (mine, None):
            path.unlink(missing_ok=True)
        else:
            say(
                f"{label}: {now.host} began this job while {mine.host} was at it, since the file system of {results} does not "
                "lock files between them; use one machine at a time, or another file system"
            )


def notes(results: Path) -> dict[str, Note]:
    """Return all notes, key -> note. Of a process that was killed, the note stays until the job is done again."""
    found = {path.stem: _read(path) for path in sorted((results / _FOLDER / _NOTES).glob("*.json"))}
    return {key: note for key, note in found.items() if note is not None}


def _read(path: Path) -> Note | None:
    """Return a note; None if it is not there any more, or not whole yet."""
    try:
        return Note(**json.loads(path.read_bytes()))
    except (OSError, ValueError, TypeError):
        return None
