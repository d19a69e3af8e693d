"""The state of a training on disk: it resumes from the newest state that is whole."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from brainbench.util.files import storage
from brainbench.util.kept import discard, is_whole, kept
from brainbench.util.pace import Pace

# No state is written earlier than so many seconds after the last one, and writing takes at most a twentieth of the time.
_REST_S = 30.0
_REST_COSTS = 20.0


class StateStore:
    """Keeps the states of one training in ``folder``.

    Each state is a file of its own with a sha256 beside it. An earlier state is deleted only when a later one is complete, so a
    kill at any moment leaves a state that is whole. identity: the text that distinguishes this training from any other.
    """

    def __init__(self, folder: Path, identity: str) -> None:
        self.folder, self.identity = folder, identity
        self._pace = Pace(_REST_S, _REST_COSTS)

    @property
    def due(self) -> bool:
        """Whether enough time has passed to write a state again."""
        return self._pace.due

    def save(self, step: int, state: Mapping[str, Any]) -> None:
        """Write the state after ``step`` steps: tensors, numbers and texts in plain containers.

        Raises StoreError if the disk is full or cannot be written to.
        """
        content = {"identity": self.identity, "step": step, "state": dict(state)}
        with self._pace.writing(), storage(self.folder):
            path = kept(self.folder / f"step-{step:09d}.pt", lambda draft: torch.save(content, draft))
            for other in self._states():
                if other != path:
                    discard(other)

    def load(self) -> tuple[int, Mapping[str, Any]] | None:
        """Return (step, state) of the newest state that is whole and belongs to this training. None: there is none.

        States that are damaged or belong to another training are deleted.
        """
        found = None
        for path in self._states():
            content = torch.load(path, map_location="cpu", weights_only=True) if is_whole(path) else {}
            if found is None and content.get("identity") == self.identity:
                found = int(content["step"]), content["state"]
            else:
                discard(path)
        return found

    def remove(self) -> None:
        """Delete all states, and the folder if nothing else is in it."""
        for path in self._states():
            discard(path)
        if self.folder.is_dir() and not any(self.folder.iterdir()):
            self.folder.rmdir()

    def _states(self) -> list[Path]:
        """The states, newest first."""
        return sorted(self.folder.glob("step-*.pt"), reverse=True)
