"""A part of a run, done in a process of its own: what it is told, and what it tells."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from threading import Event

from brainbench.planning.opening import opened_plan
from brainbench.planning.request import Request
from brainbench.registry import installed
from brainbench.runner.jobs import Run
from brainbench.util.folders import Folders
from brainbench.util.progress import Advance

_at_work = Event()


@dataclass(frozen=True)
class Order:
    """The run that a process takes part in. Folders are absolute, since that process may work in another one.

    device: as torch names it; keep: ``all`` or ``scores``.
    """

    request: Request
    folders: Folders
    device: str
    keep: str


@dataclass(frozen=True)
class Told:
    """What became of a job. busy: another process is at it; messages: what was said on the way."""

    busy: bool
    messages: tuple[str, ...]


def work(order: Order, key: str, wait: bool = False) -> Told:
    """Do the job with this key, in this process. Engines call it, wherever they are.

    wait: for another process that is at the job, instead of leaving it.
    """
    _at_work.set()
    try:
        run, heard = _opened(order)
        (job,) = [job for job in run.plan.jobs if job.key == key]
        finished = list(run.records([job], wait=wait))
        said = tuple(heard.messages)
        heard.messages.clear()
        return Told(not finished, said)
    finally:
        _at_work.clear()


def at_work() -> bool:
    """Whether this process is at a job."""
    return _at_work.is_set()


@lru_cache(maxsize=1)
def _opened(order: Order) -> tuple[Run, Heard]:
    """A process plans once."""
    plan, heard = opened_plan(order.request, installed(), order.folders.cache, order.device), Heard()
    return Run(plan, order.folders, order.device, heard, order.keep), heard


@dataclass
class Heard:
    """A reporter that keeps what was said, to be printed elsewhere."""

    messages: list[str] = field(default_factory=list)

    def message(self, text: str) -> None:
        """Keep the line."""
        self.messages.append(text)

    @contextmanager
    def task(self, label: str) -> Iterator[Advance]:
        """Drop the progress."""
        yield lambda done, total, figure: None
