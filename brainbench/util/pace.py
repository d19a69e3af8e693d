"""How often a state is written to disk."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Pace:
    """Says when to write again.

    At least ``rest_s`` seconds after the last time, and at least ``rest_costs`` times as long after it as the writing took.
    """

    def __init__(self, rest_s: float, rest_costs: float) -> None:
        self._rest_s, self._rest_costs = rest_s, rest_costs
        self._ended, self._cost = time.monotonic(), 0.0

    @property
    def due(self) -> bool:
        """Whether it is time to write."""
        return time.monotonic() - self._ended > max(self._rest_s, self._rest_costs * self._cost)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Measure what is written inside the block."""
        started = time.monotonic()
        yield
        self._ended = time.monotonic()
        self._cost = self._ended - started
