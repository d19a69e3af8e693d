"""One run from request to boards: open the dataset, plan, run, write. The command line and Python both use it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from brainbench.errors import UsageError
from brainbench.leaderboard.displays import display
from brainbench.leaderboard.files import write_boards
from brainbench.leaderboard.shown_metrics import MetricRequest
from brainbench.planning.dataset import open_dataset
from brainbench.planning.jobs import Plan, choose, plan
from brainbench.planning.request import Request
from brainbench.planning.settings import Assignments
from brainbench.records import Record
from brainbench.registry import Registry
from brainbench.results import store as results
from brainbench.runner import Run
from brainbench.util.files import storage
from brainbench.util.folders import Folders
from brainbench.util.memory import resolve_device
from brainbench.util.progress import Reporter


@dataclass(frozen=True)
class Benchmark:
    """A validated run. Nothing but the dataset's own cache has been written yet."""

    plan: Plan
    folders: Folders
    device: str
    keep: str
    fresh: bool

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
    ) -> Benchmark:
        """Validate a request against what is installed; raises UsageError or DataError before anything is written."""
        if keep not in ("all", "scores"):
            raise UsageError(f"--keep {keep}: allowed are all, scores")
        device = resolve_device(device)
        given, entry = Assignments(request.settings), registry.datasets.get(request.dataset)
        variants = given.variants(entry.card, "train_images")
        # Names before data: a typo must not wait for a dataset to be read or made.
        choice = choose(request, registry, given, entry.card.simulated, device)
        data = open_dataset(entry, variants, request.data, folders.cache)
        if data.simulated != entry.card.simulated:
            choice = choose(request, registry, given, data.simulated, device)
        return cls(plan(request, registry, choice, data), folders, device, keep, fresh)

    def run(self, report: Reporter) -> Iterator[Record]:
        """Run the jobs one by one, then write the boards of this dataset."""
        runner = Run(self.plan, self.folders, self.device, report, self.keep, self.fresh)
        total = len(self.plan.jobs)
        for number, (job, record, kept) in enumerate(runner.records(), start=1):
            state = "already done" if kept else _outcome(record)
            report.message(f"[{number}/{total}] {job.label}: {state}")
            yield record
        with report.task("leaderboard"), storage(self.folders.results):
            # The boards' own lock: no other run reads the records while some of them move.
            with self.folders.locked(self.folders.results, "boards"):
                replaced = results.supersede(self.folders.results, {job.key for job in self.plan.jobs})
            if replaced:
                report.message(f"moved {len(replaced)} outdated records to {self.folders.results / 'superseded'}")
            for path in write_boards(self.folders, self.plan.data.card.name, MetricRequest(self.plan.computed)):
                report.message(f"wrote {path}")


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
