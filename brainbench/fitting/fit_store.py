"""A fit's state on disk, so that it goes on after it was stopped, wherever that was.

A part is a file that is written once. ``state.json`` names the parts that belong together with their sha256; it is written
last and at once, so that a kill leaves the state before or the state after. Whatever it does not name is left over, and removed.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from brainbench.errors import StoreError
from brainbench.fitting.fit_state import Snapshot
from brainbench.util.files import drafted, storage, write_atomically
from brainbench.util.hashing import digest, file_sha256
from brainbench.util.pace import Pace

# Not before so many seconds after the last time, and never more than a twentieth of a fit's time.
_REST_S = 5.0
_REST_COSTS = 20.0


class FitStore:
    """Keeps the state of one fit in ``folder``. identity: what makes a state this fit's own."""

    def __init__(self, folder: Path, identity: str) -> None:
        self.folder, self.identity = folder, identity
        self._digests: dict[str, str] = {}
        self._pace = Pace(_REST_S, _REST_COSTS)

    @property
    def due(self) -> bool:
        """Whether a state is worth its while again."""
        return self._pace.due

    def save(self, snapshot: Snapshot) -> None:
        """Write a state; what is there from the last time stays as it is. Raises StoreError when the disk refuses."""
        with self._pace.writing(), storage(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            new = {name: self._written(name, snapshot) for name in snapshot.parts if name not in self._digests}
            kept = {name: sha for name, sha in self._digests.items() if name in snapshot.parts}
            self._digests = kept | new
            content = {"identity": self.identity, "facts": snapshot.facts, "parts": self._digests}
            write_atomically(self.folder / "state.json", json.dumps({"sha256": digest(content)} | content).encode())
            for path in self.folder.iterdir():
                if path.name != "state.json" and path.stem not in self._digests:
                    path.unlink()

    def load(self) -> Snapshot | None:
        """The last state, or None if there is none; raises StoreError, and removes it, when it is not whole or not this fit's."""
        if not (self.folder / "state.json").exists():
            return None
        try:
            snapshot, self._digests = self._read()
        except (OSError, ValueError, KeyError, AttributeError, TypeError, SafetensorError) as error:
            shutil.rmtree(self.folder)
            reason = " ".join(str(error).split())
            raise StoreError(f"the state kept in {self.folder} cannot be gone on from ({reason})") from error
        return snapshot

    def _read(self) -> tuple[Snapshot, dict[str, str]]:
        content = json.loads((self.folder / "state.json").read_text())
        if content.pop("sha256") != digest(content):
            raise ValueError("state.json is damaged")
        if content["identity"] != self.identity:
            raise ValueError("it is of another fit")
        for name, sha256 in content["parts"].items():
            if file_sha256(self._path(name)) != sha256:
                raise ValueError(f"{self._path(name).name} is damaged")
        parts = {name: load_file(self._path(name)) for name in content["parts"]}
        return Snapshot(content["facts"], parts), content["parts"]

    def _written(self, name: str, snapshot: Snapshot) -> str:
        tensors = {n: t.detach().cpu().contiguous() for n, t in snapshot.parts[name].items()}
        try:
            with drafted(self._path(name)) as draft:
                save_file(tensors, draft)
        except SafetensorError as error:
            raise StoreError(f"cannot write {self._path(name)}: {error}") from error
        return file_sha256(self._path(name))

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.safetensors"
