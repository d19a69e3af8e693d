"""A part of a run, done in a process of its own: what it is told, and what it tells."""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from types import FrameType

from brainbench.errors import StoreError
from brainbench.planning.jobs import Job
from brainbench.planning.opening import opened_plan
from brainbench.planning.request import Request
from brainbench.registry import installed
from brainbench.runner.jobs import Run
from brainbench.util.folders import Folders
from brainbench.util.progress import Advance

# An engine may call from several threads of one process, which have one run between them.
_alone = threading.Lock()


@dataclass(frozen=True)
class Order:
    """The run that a process takes part in. Folders are absolute, since that process may work in another one.

    device: as torch names it; keep: ``all`` or ``scores``; mark: what the caller read in the results folder, which a process
    on another machine reads there too, if it is the same folder.
    """

    request: Request
    folders: Folders
    device: str
    keep: str
    mark: str


@dataclass(frozen=True)
class Told:
    """What became of some jobs. busy: keys of those that another process is at; messages: what was said on the way."""

    busy: tuple[str, ...]
    messages: tuple[str, ...]


def work(order: Order, keys: tuple[str, ...], wait: bool = False) -> Told:
    """Do the jobs with these keys, in this process. Engines call it, wherever they are.

    wait: for another process that is at a job, instead of leaving that job. Raises StoreError on a machine where the results
    folder is another one.
    """
    with _alone, _stoppable():
        if order.folders.mark() != order.mark:
            raise StoreError(
                f"{order.folders.results} on {socket.gethostname()} is not the folder that the run was started with: choose "
                "--results on a file system that all machines share"
            )
        run, known, heard = _opened(order)
        jobs = [known[key] for key in keys if key in known]
        if missing := len(keys) - len(jobs):
            raise StoreError(
                f"{missing} of {len(keys)} jobs are not in the plan of {socket.gethostname()}: it has other versions of "
                "brainbench, its plugins or the data; install the same ones"
            )
        done = {job.key for job, _, _ in run.records(jobs, wait=wait)}
        said = tuple(heard.messages)
        heard.messages.clear()
        return Told(tuple(key for key in keys if key not in done), said)


@contextmanager
def _stoppable() -> Iterator[None]:
    """Inside, a process that is told to end leaves its fit as on Ctrl-C, so that it can go on; outside, it just ends."""
    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


@lru_cache(maxsize=1)
def _opened(order: Order) -> tuple[Run, dict[str, Job], Heard]:
    """A process plans once."""
    plan, heard = opened_plan(order.request, installed(), order.folders.cache, order.device), Heard()
    run = Run(plan, order.folders, order.device, heard, order.keep)
    return run, {job.key: job for job in plan.jobs}, heard


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
