"""One run from request to boards: open the dataset, plan, run, write. The command line and Python both use it."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from brainbench.errors import UsageError
from brainbench.leaderboard.displays import display
from brainbench.leaderboard.files import write_boards
from brainbench.leaderboard.shown_metrics import MetricRequest
from brainbench.planning import estimate
from brainbench.planning.jobs import Job, Plan
from brainbench.planning.opening import opened_plan
from brainbench.planning.request import Request
from brainbench.records import Record
from brainbench.registry import Registry
from brainbench.results import store as results
from brainbench.runner import Run
from brainbench.runner.work import Order
from brainbench.runner.workers import how_many, local, spread
from brainbench.util.files import storage
from brainbench.util.folders import Folders
from brainbench.util.memory import resolve_device
from brainbench.util.progress import Reporter

_ALONE_S = 10.0


@dataclass(frozen=True)
class Benchmark:
    """A validated run. Nothing but the dataset's own cache has been written yet.

    workers: how many processes share the jobs; alone: seconds in which this process does them by itself before it starts others,
    which takes a while and a short run does not need.
    """

    request: Request
    plan: Plan
    folders: Folders
    device: str
    keep: str
    fresh: bool
    workers: int = 1
    alone: float = 0.0

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
    ) -> Benchmark:
        """Validate a request against what is installed; raises UsageError or DataError before anything is written.

        workers: a number, or ``auto``.
        """
        if keep not in ("all", "scores"):
            raise UsageError(f"--keep {keep}: allowed are all, scores")
        device = resolve_device(device)
        plan = opened_plan(request, registry, folders.cache, device)
        most = 0.0 if workers == "1" else estimate.largest_mb(plan) * 1e6
        count, alone = how_many(workers, plan, device, most), _ALONE_S if workers == "auto" else 0.0
        return cls(request, plan, folders, device, keep, fresh, count, alone)

    def run(self, report: Reporter) -> Iterator[Record]:
        """Run the jobs, then write the boards of this dataset. Yields records as they are finished."""
        runner = Run(self.plan, self.folders, self.device, report, self.keep)
        self.folders.prepare()
        if self.fresh:
            runner.forget()
        total = len(self.plan.jobs)
        with report.task("all jobs") as advance:
            for number, (job, record, kept) in enumerate(self._records(runner, report), start=1):
                state = "already done" if kept else _outcome(record)
                report.message(f"[{number}/{total}] {job.label}: {state}")
                advance(number, total, f"{number} of {total}")
                yield record
        with report.task("leaderboard"), storage(self.folders.results):
            # The boards' own lock: no other run reads the records while some of them move.
            with self.folders.locked(self.folders.results, "boards"):
                replaced = results.supersede(self.folders.results, {job.key for job in self.plan.jobs})
            if replaced:
                report.message(f"moved {len(replaced)} outdated records to {self.folders.results / 'superseded'}")
            for path in write_boards(self.folders, self.plan.data.card.name, MetricRequest(self.plan.computed)):
                report.message(f"wrote {path}")

    def ordered(self, records: Iterable[Record]) -> list[Record]:
        """Return records in the order of the plan, whichever was finished first."""
        place = {job.key: number for number, job in enumerate(self.plan.jobs)}
        return sorted(records, key=lambda record: place[record.key])

    def _records(self, runner: Run, report: Reporter) -> Iterator[tuple[Job, Record, bool]]:
        """Yield (job, its record, whether the record existed already), as jobs are finished."""
        left = {job.key: job for job in self.plan.jobs}
        if self.workers == 1 or self.alone:
            until = math.inf if self.workers == 1 else time.monotonic() + self.alone
            with closing(runner.records()) as found:
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
        order = Order(self.request.absolute(), self.folders.absolute(), self.device, self.keep)
        for job, told, reason in spread(list(left.values()), order, local, min(self.workers, len(left))):
            for message in told.messages if told else ():
                report.message(message)
            yield job, runner.give_up(job, reason) if reason else results.read_record(self._path(job)), False

    def _path(self, job: Job) -> Path:
        return self.folders.results / f"{job.key}.json"


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
