"""What a run shows: bars for a person at a terminal, plain lines for a log. All of it goes to standard error."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from brainbench.reporting import Advance, Reporter


class Plain:
    """One line an event, no bars."""

    def message(self, text: str) -> None:
        """Print the line."""
        print(text, file=sys.stderr, flush=True)

    @contextmanager
    def task(self, label: str) -> Iterator[Advance]:
        """Say nothing while it goes on."""
        yield lambda done, total, figure: None


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
