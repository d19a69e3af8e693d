"""Single-trial betas as one source, session after session."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from brainbench.datasets import in_blocks


class Betas:
    """The betas of several sessions, one under the other: [R, V] in percent signal change.

    counts: trials of each session; read: place of a session among them -> [trials, V] float32. One session is held at a time, the
    one read last: z-scoring asks for each twice.
    """

    def __init__(
        self, key: str, where: Path, counts: Sequence[int], voxels: int, read: Callable[[int], np.ndarray]
    ) -> None:
        self.key, self.where, self.whole = key, where, None
        self._ends = np.cumsum(counts)
        self.shape = (int(self._ends[-1]), voxels)
        self._read = read
        self._held: tuple[int, np.ndarray] | None = None

    def blocks(self, rows: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Session by session, in each in the order of ``rows``."""
        session = np.searchsorted(self._ends, rows, side="right")
        for place in dict.fromkeys(session.tolist()):
            values = self._session(place)
            first = self._ends[place] - len(values)
            for some in in_blocks(rows[session == place], self.shape[1]):
                yield some, values[some - first]

    def _session(self, place: int) -> np.ndarray:
        if self._held is None or self._held[0] != place:
            self._held = None  # let the one before go first
            self._held = place, self._read(place)
        return self._held[1]
