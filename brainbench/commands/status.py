"""How far the runs of a results folder are. The work behind ``brainbench status``."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from brainbench.errors import StoreError
from brainbench.results.store import no_records, read_record
from brainbench.results.under_way import Note, notes, planned
from brainbench.util.files import can_lock, file_state, held
from brainbench.util.folders import lock_file

_RECORD = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True)
class Standing:
    """The jobs of a results folder, by what is known of them.

    failed: label -> reason; running: jobs that a process is at; stopped: jobs whose process ended before they did, or is on a
    machine whose locks this one does not see; waiting: labels of the jobs of unfinished runs that nobody has begun; locks:
    whether the folder's file system can lock files.
    """

    done: int
    failed: Mapping[str, str]
    running: tuple[Note, ...]
    stopped: tuple[Note, ...]
    waiting: tuple[str, ...]
    locks: bool

    @property
    def over(self) -> bool:
        """Whether nothing is left to be done."""
        return not (self.running or self.stopped or self.waiting)


@dataclass
class Watch:
    """Looks at a results folder again and again; a record that did not change is not read again."""

    results: Path
    _seen: dict[Path, tuple[tuple[int, ...], tuple[str, str] | None]] = field(default_factory=dict)

    def look(self) -> Standing:
        """Return what is known now. Raises StoreError for a folder in which nothing was ever run."""
        at_work, plan = notes(self.results), planned(self.results)
        records = [path for path in self.results.glob("*.json") if _RECORD.fullmatch(path.stem)]
        if not (records or at_work or plan):
            raise no_records(self.results)
        running = {key for key in at_work if held(lock_file(self.results, key))}
        found = {
            path.stem: failure for path in sorted(records) if path.stem not in running for failure in self._read(path)
        }
        failed = [failure for failure in found.values() if failure]
        return Standing(
            done=len(found) - len(failed),
            failed=dict(failed),
            running=tuple(note for key, note in at_work.items() if key in running),
            stopped=tuple(note for key, note in at_work.items() if not (key in running or key in found)),
            waiting=tuple(label for key, label in plan.items() if not (key in found or key in at_work)),
            locks=can_lock(self.results),
        )

    def _read(self, path: Path) -> list[tuple[str, str] | None]:
        """Return [None] for a record without failures, [(label, reason)] for another, [] for one that cannot be read."""
        try:
            state = file_state(path)
            if path not in self._seen or self._seen[path][0] != state:
                self._seen[path] = state, _failure(path)
        except (StoreError, OSError, ValueError):
            return []
        return [self._seen[path][1]]


def _failure(path: Path) -> tuple[str, str] | None:
    """Return the label and the reason of a record that says that something failed."""
    # Of ten thousand records nearly all are good, and a whole validation of each would take a minute.
    content: Mapping[str, Any] = json.loads(path.read_bytes())
    if content["status"] == "done" and not any(one.get("failed") for one in content["metrics"].values()):
        return None
    record = read_record(path)
    encoder = record.encoder.name if record.encoder else "tokens only"
    label = f"{record.backbone.name} x {encoder}, subject {record.dataset.subject}, seed {record.seed}"
    return label, "; ".join(map(str, record.failures))
