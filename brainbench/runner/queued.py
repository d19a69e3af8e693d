"""A run on a cluster: all jobs go to its queue at once, and are done there whether or not the caller waits for them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import BrokenExecutor, Future, as_completed
from dataclasses import dataclass

from brainbench.engines import Queue
from brainbench.planning.jobs import Job
from brainbench.runner.work import Order, Told, work
from brainbench.runner.workers import Outcome


@dataclass(frozen=True)
class Wave:
    """Jobs that were handed in together. name: what the queue calls them; calls: each call's jobs, and its future."""

    name: str
    calls: tuple[tuple[tuple[Job, ...], Future[Told]], ...]

    @property
    def jobs(self) -> int:
        """The number of jobs."""
        return sum(len(jobs) for jobs, _ in self.calls)


def hand_in(jobs: Sequence[Job], order: Order, queue: Queue) -> list[Wave]:
    """Hand in all jobs: first one for each set of tokens, which it reads, then the others, which find them."""
    found: list[Wave] = []
    for some in _waves(jobs):
        parts = [tuple(some[first :: queue.most]) for first in range(min(len(some), queue.most))]
        calls = [(order, tuple(job.key for job in part), True) for part in parts]
        name, futures = queue.enqueue(work, calls, found[-1].name if found else "")
        found.append(Wave(name, tuple(zip(parts, futures, strict=True))))
    return found


def outcomes(waves: Sequence[Wave]) -> Iterator[Outcome]:
    """Yield each job when the call that it is part of has ended."""
    parts = {future: jobs for wave in waves for jobs, future in wave.calls}
    for future in as_completed(parts):
        first, *others = parts[future]
        try:
            told = future.result()
        except BrokenExecutor as error:
            yield from ((job, None, str(error)) for job in (first, *others))
        else:
            yield first, told, ""
            yield from ((job, None, "") for job in others)


def _waves(jobs: Sequence[Job]) -> list[list[Job]]:
    """Return the jobs that read tokens which none before them reads, then the others."""
    known, first, rest = set[str](), list[Job](), list[Job]()
    for job in jobs:
        passes = {network.reading for network in job.tokens.networks}
        (rest if passes <= known else first).append(job)
        known |= passes
    return [some for some in (first, rest) if some]
