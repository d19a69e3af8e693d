"""What a run shows: bars for a person at a terminal, plain lines for a log. All of it goes to standard error."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from brainbench.util.progress import Advance, Reporter

# Seconds between two lines about one task in a log; what takes less is not mentioned.
_LINE_EVERY_S = 60


class Plain:
    """One line an event, no bars."""

    def message(self, text: str) -> None:
        """Print the line."""
        print(text, file=sys.stderr, flush=True)

    @contextmanager
    def task(self, label: str) -> Iterator[Advance]:
        """One line a minute while it goes on."""
        yield _Minutes(label, self.message)


class _Minutes:
    """Turns progress into a line a minute: label, figure, and the time left at the pace since the first report."""

    def __init__(self, label: str, say: Callable[[str], None]) -> None:
        self._label, self._say = label, say
        self._first: tuple[float, int] | None = None
        self._said = time.monotonic()

    def __call__(self, done: int, total: int, figure: str) -> None:
        now = time.monotonic()
        since, before = self._first = self._first or (now, done)
        if now - self._said < _LINE_EVERY_S or done == before:
            return
        self._said = now
        left = (now - since) * (total - done) / (done - before)
        self._say(f"{self._label}: {figure or f'{done} of {total}'}, about {_duration(left)} left")


def _duration(seconds: float) -> str:
    minutes = max(1, round(seconds / 60))
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


@contextmanager
def reporter() -> Iterator[Reporter]:
    """The reporter that suits standard error."""
    if not sys.stderr.isatty():
        yield Plain()
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    class Bars:
        def message(self, text: str) -> None:
            bars.console.print(text, highlight=False, markup=False)

        @contextmanager
        def task(self, label: str) -> Iterator[Advance]:
            task = bars.add_task(label, total=None, figure="")
            try:
                yield lambda done, total, figure: bars.update(task, completed=done, total=total, figure=figure)
            finally:
                bars.remove_task(task)

    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[figure]}"))
    with Progress(
        *columns, TimeElapsedColumn(), TimeRemainingColumn(), console=Console(stderr=True), transient=True
    ) as bars:
        yield Bars()
