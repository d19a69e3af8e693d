"""How a run tells what it is doing. The runner knows only this; the command line draws it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

Advance = Callable[[int, int, str], None]


class Reporter(Protocol):
    """Hears what a run is doing."""

    def message(self, text: str) -> None:
        """One line that stays."""
        ...

    def task(self, label: str) -> AbstractContextManager[Advance]:
        """Progress of something that takes a while, told as (done, total, figure) inside the ``with``."""
        ...


class Silent:
    """Says nothing."""

    def message(self, text: str) -> None:
        """Drop the line."""

    @contextmanager
    def task(self, label: str) -> Iterator[Advance]:
        """Drop the progress."""
        yield lambda done, total, figure: None
