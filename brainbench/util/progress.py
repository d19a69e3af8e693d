"""Progress of a run. The runner knows only this protocol; the command line displays it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

Advance = Callable[[int, int, str], None]


class Reporter(Protocol):
    """Receives the progress of a run."""

    def message(self, text: str) -> None:
        """Report one line that stays."""
        ...

    def task(self, label: str) -> AbstractContextManager[Advance]:
        """Report progress of a task, as (done, total, text) inside the ``with`` block."""
        ...


class Silent:
    """Reports nothing."""

    def message(self, text: str) -> None:
        """Drop the line."""

    @contextmanager
    def task(self, label: str) -> Iterator[Advance]:
        """Drop the progress."""
        yield lambda done, total, figure: None
