"""Many processes for one run: each does the next job that nobody is at. The caller alone prints and builds boards."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future
from contextlib import contextmanager
from itertools import zip_longest
from queue import SimpleQueue

from brainbench.engines import EngineCard
from brainbench.errors import UsageError
from brainbench.planning.jobs import Job, Plan
from brainbench.runner.work import Order, Told, work
from brainbench.util.memory import machine_memory
from brainbench.util.processors import cores, gpus

DIED = "its process ended without a word, perhaps for lack of memory; use fewer --workers, or see the system's log"
# Bytes of a process beside data and fit: Python, torch, and the libraries of networks.
_PROCESS = 1.5e9

# A job, and what was told of it, or the reason why it could not be done.
Outcome = tuple[Job, Told | None, str]


def how_many(asked: str, plan: Plan, engine: EngineCard, device: str, memory: float) -> int:
    """Resolve ``--workers``: a number, or ``auto`` for one a core, or one a GPU, as far as memory goes.

    memory: bytes that the largest job takes. For an engine elsewhere ``auto`` is 0: as many as it has room for. Raises
    UsageError for anything else, and for other processes with a network in memory, which this one alone has.
    """
    if asked != "auto" and not (asked.isascii() and asked.isdigit() and int(asked) > 0):
        raise UsageError(f"--workers {asked}: allowed are auto and numbers from 1")
    in_memory = [pick.name for one in plan.backbones for pick in one.networks if pick.card.weights == "in memory"]
    if in_memory and not engine.here:
        raise UsageError(
            f"engine={engine.name}: {in_memory[0]} is in the memory of this process alone; use engine=local"
        )
    if in_memory and asked not in ("auto", "1"):
        raise UsageError(f"workers={asked}: {in_memory[0]} is in the memory of this process alone; use workers=1")
    if in_memory:
        return 1
    if asked != "auto":
        return min(int(asked), len(plan.jobs))
    if not engine.here:
        return 0
    most = int(machine_memory() // (_PROCESS + memory))
    # A device with a number is one GPU.
    units = cores() if device == "cpu" else gpus() if device == "cuda" else 1
    return max(1, min(units, most, len(plan.jobs)))


def spread(jobs: Sequence[Job], order: Order, engine: Callable[[int], Executor], workers: int) -> Iterator[Outcome]:
    """Do all jobs, as many at once as there are workers; yields each when it is done.

    Each worker has a network of its own as far as possible, so that the first of a network's jobs reads its tokens, the others
    find them, and the first rows are whole early. A job that another run is at is left, and waited for at the end. If a process
    dies, the jobs under way are done again, one by one: the one that ends its process a second time cannot be done.
    """
    queue = deque((job, False) for job in _interleaved(jobs, workers))
    suspects = list[Job]()
    while queue:
        with opened(engine, workers) as pool:
            yield from _until_broken(pool, queue, suspects, order, workers)
    for job in suspects:
        found = list[Outcome]()
        with opened(engine, 1) as pool:
            found += _until_broken(pool, deque([(job, True)]), [], order, 1)
        yield from found or [(job, None, DIED)]


def _until_broken(
    pool: Executor, queue: deque[tuple[Job, bool]], under_way: list[Job], order: Order, workers: int
) -> Iterator[Outcome]:
    """Take jobs, and whether to wait for them, from the queue until it is empty or a process dies; adds those then under way."""
    running: dict[Future[Told], Job] = {}
    # Filled as they end: with thousands under way, asking each whether it has ended takes longer than a job.
    ended: SimpleQueue[Future[Told]] = SimpleQueue()
    broken = False
    while running or (queue and not broken):
        while queue and not broken and len(running) < workers:
            job, patient = queue.popleft()
            try:
                future = pool.submit(work, order, (job.key,), patient)
            except BrokenExecutor:
                queue.appendleft((job, patient))
                broken = True
            else:
                running[future] = job
                future.add_done_callback(ended.put)
        if not running:
            continue
        future = ended.get()
        job = running.pop(future)
        try:
            told = future.result()
        except BrokenExecutor:
            under_way.append(job)
            broken = True
            continue
        if told.busy:
            queue.append((job, True))
        else:
            yield job, told, ""


def _interleaved(jobs: Sequence[Job], workers: int) -> Iterator[Job]:
    """As many backbones at a time as there are workers: the first job of each, then the second of each, and so on."""
    by_backbone: dict[str, list[Job]] = {}
    for job in jobs:
        by_backbone.setdefault(job.backbone.display, []).append(job)
    backbones = list(by_backbone.values())
    for first in range(0, len(backbones), workers):
        rows = zip_longest(*backbones[first : first + workers])
        yield from (job for row in rows for job in row if job is not None)


@contextmanager
def opened(engine: Callable[[int], Executor], workers: int, *, wait: bool = True) -> Iterator[Executor]:
    """An engine's executor; what its processes have begun is stopped when this block ends early.

    wait: for its processes to end.
    """
    pool, early = engine(workers), True
    try:
        yield pool
        early = False
    finally:
        pool.shutdown(wait, cancel_futures=early)
