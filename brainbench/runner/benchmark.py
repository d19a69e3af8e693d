"""One run from request to boards: open the dataset, plan, run, write. The command line and Python both use it."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

from brainbench.engines import Queue
from brainbench.errors import PluginError, UsageError
from brainbench.leaderboard.displays import display
from brainbench.leaderboard.files import write_boards
from brainbench.leaderboard.shown_metrics import MetricRequest
from brainbench.planning import estimate
from brainbench.planning.jobs import Job, Plan
from brainbench.planning.opening import opened_plan
from brainbench.planning.picks import EnginePick, pick_engine
from brainbench.planning.request import Request
from brainbench.planning.settings import Assignments
from brainbench.plugins import blamed
from brainbench.records import Record
from brainbench.registry import Registry
from brainbench.results import store as results
from brainbench.results.under_way import end_plan, work_folder, write_plan
from brainbench.runner import Run
from brainbench.runner.queued import hand_in, outcomes
from brainbench.runner.work import Order
from brainbench.runner.workers import Outcome, how_many, opened, spread
from brainbench.util.files import file_state, storage
from brainbench.util.folders import Folders
from brainbench.util.hashing import digest
from brainbench.util.memory import resolve_device
from brainbench.util.progress import Reporter

_ALONE_S = 10.0


@dataclass(frozen=True)
class Benchmark:
    """A validated run. Nothing but the dataset's own cache has been written yet.

    engine: where the jobs are done; workers: how many are under way at once, 0 for as many as the engine has room for; alone:
    seconds in which this process does them by itself before the engine starts, which takes a while and a short run does not
    need; retry: do what failed, and nothing else; detach: hand the jobs to the engine's queue, and do not wait for them.
    """

    request: Request
    plan: Plan
    folders: Folders
    device: str
    keep: str
    fresh: bool
    engine: EnginePick
    workers: int = 1
    alone: float = math.inf
    retry: bool = False
    detach: bool = False

    @classmethod
    def open(
        cls,
        request: Request,
        registry: Registry,
        folders: Folders,
        *,
        device: str = "auto",
        keep: str = "all",
        fresh: bool = False,
        workers: str = "1",
        retry_failed: bool = False,
        detach: bool = False,
    ) -> Benchmark:
        """Validate a request against what is installed; raises UsageError or DataError before anything is written.

        workers: a number, or ``auto``.
        """
        if keep not in ("all", "scores"):
            raise UsageError(f"--keep {keep}: allowed are all, scores")
        if fresh and retry_failed:
            raise UsageError(
                "--fresh with --retry-failed: the one does everything again, the other what failed; choose one"
            )
        engine = pick_engine(request, registry, Assignments(request.settings))
        if detach and not engine.card.queue:
            queues = ", ".join(entry.name for entry in registry.engines if entry.card.queue)
            which = queues or "none is installed; one comes with: pip install brainbench-plugin-slurm"
            raise UsageError(
                f"--detach: jobs of --engine {engine.name} end with the command; engines where they go on: {which}"
            )
        here = engine.card.here
        device = resolve_device(device, None if here else bool(engine.settings.get("gpus")))
        plan = opened_plan(request, registry, folders.cache, device)
        most = estimate.largest_mb(plan) * 1e6 if here and workers != "1" else 0.0
        count = how_many(workers, plan, engine.card, device, most)
        alone = 0.0 if not here else math.inf if count == 1 else _ALONE_S if workers == "auto" else 0.0
        return cls(request, plan, folders, device, keep, fresh, engine, count, alone, retry_failed, detach)

    def run(self, report: Reporter) -> Iterator[Record]:
        """Run the jobs, then write the boards of this dataset. Yields records as they are finished.

        Detached, it yields the records of jobs that were finished before, and writes no boards.
        """
        runner = Run(self.plan, self.folders, self.device, report, self.keep)
        self.folders.prepare()
        if self.fresh:
            runner.forget()
        jobs = [job for job in self.plan.jobs if runner.failed(job)] if self.retry else list(self.plan.jobs)
        if self.retry and not jobs:
            report.message("nothing failed that this run would do")
        name, total = digest(list(map(str, astuple(self.request)))), len(jobs)
        with storage(self.folders.results):
            write_plan(self.folders.results, name, {job.key: job.label for job in jobs})
        with report.task("all jobs") as advance:
            for number, (job, record, kept) in enumerate(self._records(jobs, runner, report), start=1):
                state = "already done" if kept else _outcome(record)
                report.message(f"[{number}/{total}] {job.label}: {state}")
                advance(number, total, f"{number} of {total}")
                yield record
        if self.detach:
            return
        with report.task("leaderboard"), storage(self.folders.results):
            # The boards' own lock: no other run reads the records while some of them move.
            with self.folders.locked(self.folders.results, "boards"):
                replaced = results.supersede(self.folders.results, {job.key for job in self.plan.jobs})
            if replaced:
                report.message(f"moved {len(replaced)} outdated records to {self.folders.results / 'superseded'}")
            for path in write_boards(self.folders, self.plan.data.card.name, MetricRequest(self.plan.computed)):
                report.message(f"wrote {path}")
            end_plan(self.folders.results, name)

    def ordered(self, records: Iterable[Record]) -> list[Record]:
        """Return records in the order of the plan, whichever was finished first."""
        place = {job.key: number for number, job in enumerate(self.plan.jobs)}
        return sorted(records, key=lambda record: place[record.key])

    def _records(self, jobs: Sequence[Job], runner: Run, report: Reporter) -> Iterator[tuple[Job, Record, bool]]:
        """Yield (job, its record, whether the record existed already), as jobs are finished."""
        left = {job.key: job for job in jobs}
        if self.alone:
            until = time.monotonic() + self.alone
            with closing(runner.records(jobs)) as found:
                for job, record, kept in found:
                    del left[job.key]
                    yield job, record, kept
                    if time.monotonic() > until:
                        break
        for job in list(left.values()):
            before = runner.finished(job)
            if before is not None:
                del left[job.key]
                yield job, before, True
        if not left:
            return
        stood = {key: self._state(key) for key in left}
        order = Order(self.request.absolute(), self.folders.absolute(), self.device, self.keep, self.folders.mark())
        done = self._queued if self.engine.card.queue else self._spread
        for job, told, reason in done(list(left.values()), order, report):
            for message in told.messages if told else ():
                report.message(message)
            # Of several jobs in a process that died, some were done before.
            died = reason and self._state(job.key) == stood[job.key]
            yield job, runner.give_up(job, reason) if died else results.read_record(self._path(job.key)), False

    def _spread(self, jobs: Sequence[Job], order: Order, report: Reporter) -> Iterator[Outcome]:
        return spread(jobs, order, self._executor, min(self.workers or len(jobs), len(jobs)))

    def _queued(self, jobs: Sequence[Job], order: Order, report: Reporter) -> Iterator[Outcome]:
        with opened(self._executor, self.workers, wait=not self.detach) as queue:
            if not isinstance(queue, Queue):
                raise PluginError(
                    f"engine {self.engine.name} of {self.engine.plugin}: its executor is no brainbench.Queue"
                )
            waves = hand_in(jobs, order, queue)
            for wave in waves:
                report.message(f"{self.engine.name}: {wave.jobs} jobs handed in as {wave.name}")
            if not self.detach:
                yield from outcomes(waves)

    def _executor(self, workers: int) -> Any:
        engine, folder = self.engine, work_folder(self.folders.results.absolute(), self.engine.name)
        with blamed(engine.plugin, "start", f"engine {engine.name}"):
            return engine.card.loader(settings=engine.settings, workers=workers, folder=folder)

    def _path(self, key: str) -> Path:
        return self.folders.results / f"{key}.json"

    def _state(self, key: str) -> tuple[int, ...] | None:
        return file_state(self._path(key)) if self._path(key).exists() else None


def _outcome(record: Record) -> str:
    if record.failures:
        return f"FAILED: {'; '.join(map(str, record.failures))}"
    return f"{_first_figure(record)}{record.cost.wall_s:.1f} s"


def _first_figure(record: Record) -> str:
    """Return the leftmost score of a board, "R2 0.123, "; "" if its metric has none."""
    shown = {name: display(name, result) for name, result in record.metrics.items()}
    for name, how in sorted(shown.items(), key=lambda item: (-item[1].precedence, item[0])):
        values = record.metrics[name].values
        for value, heading in how.columns.items():
            if value in values:
                return f"{heading} {values[value]:.{how.digits}f}, "
    return ""
