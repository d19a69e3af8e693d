"""One run from request to boards: open the dataset, plan, run, write. Both doors, CLI and Python, come through here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from brainbench.cards import DatasetCard
from brainbench.errors import BrainbenchError, PluginError, StoreError, UsageError
from brainbench.leaderboard.boards import Asked, board_files
from brainbench.planning.jobs import DatasetPick, Plan, Request, choose, plan
from brainbench.planning.settings import Assignments
from brainbench.plugins import describe
from brainbench.protocols import Dataset
from brainbench.records import Record
from brainbench.registry import Entry, Registry
from brainbench.results import store as results
from brainbench.runner import Run
from brainbench.util.folders import Places, storage
from brainbench.util.progress import Reporter


@dataclass(frozen=True)
class Benchmark:
    """A validated run. Nothing but the dataset's own cache has been written yet."""

    plan: Plan
    places: Places
    device: str
    keep: str
    fresh: bool

    @classmethod
    def open(
        cls,
        request: Request,
        registry: Registry,
        places: Places,
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
        data = open_dataset(entry, variants, request.data, places.cache)
        if data.simulated != entry.card.simulated:
            choice = choose(request, registry, given, data.simulated, device)
        return cls(plan(request, registry, choice, data), places, device, keep, fresh)

    def run(self, report: Reporter) -> Iterator[Record]:
        """Run the jobs one by one, then write the boards of this dataset."""
        runner = Run(self.plan, self.places, self.device, report, self.keep, self.fresh)
        total = len(self.plan.jobs)
        for number, (job, record, kept) in enumerate(runner.records(), start=1):
            state = "already done" if kept else _outcome(record)
            report.message(f"[{number}/{total}] {job.label}: {state}")
            yield record
        with report.task("leaderboard"), storage(self.places.results):
            # The boards' own lock: nobody reads the records while some of them move.
            with self.places.locked(self.places.results, "boards"):
                replaced = results.supersede(self.places.results, {job.key for job in self.plan.jobs})
            if replaced:
                report.message(f"moved {len(replaced)} outdated records to {self.places.results / 'superseded'}")
            for path in write_boards(self.places, self.plan.data.card.name, Asked(self.plan.computed)):
                report.message(f"wrote {path}")


def open_dataset(
    entry: Entry[DatasetCard],
    variants: Sequence[tuple[Mapping[str, Any], Mapping[str, Any]]],
    path: Path | None,
    cache: Path,
) -> DatasetPick:
    """Load a dataset from ``path``, if it wants one; a plugin's own exception becomes one line that names it.

    variants: its settings and those that were changed, once for every ``train_images`` that was asked for.
    """
    card, (given, changed) = entry.card, variants[0]
    settings = card.own_settings(given)
    if card.needs_data and path is None:
        raise UsageError(f"--dataset {card.name} needs --data PATH: the folder that holds it")
    if path is not None and not (card.needs_data or card.takes_data):
        raise UsageError(f"--data {path}: the dataset {card.name} takes none; did you mean --dataset folder?")
    try:
        with storage(cache):
            cache.mkdir(parents=True, exist_ok=True)
            dataset = card.loader(settings=settings, data=path, cache=cache)
    except BrainbenchError:
        raise
    except Exception as error:
        owner = f"{entry.plugin.distribution} {entry.plugin.version}"
        raise PluginError(f"dataset {card.name} of {owner} failed to load: {describe(error)}") from error
    if not isinstance(dataset, Dataset):
        raise PluginError(f"dataset {card.name}: load() gave {type(dataset).__name__}, which is no Dataset")
    changed = {name: value for name, value in changed.items() if name in settings}
    return DatasetPick(entry, dataset, changed, tuple(one["train_images"] for one, _ in variants))


def write_boards(
    places: Places,
    dataset: str | None = None,
    asked: Asked | None = None,
    *,
    beside: Callable[[str], str] | None = None,
) -> list[Path]:
    """Build the boards of a results folder (of one dataset, or of all); returns the files written.

    asked: which metrics they show; None: all that the records hold. beside: dataset name -> Markdown to put below its page.
    """
    if not places.results.is_dir():
        raise no_records(places.results, dataset)
    # Read and written under one lock: of two runs that end together, the later one sees the records of both.
    with storage(places.leaderboards), places.locked(places.results, "boards"):
        wanted = [r for r in results.read_records(places.results) if dataset in (None, r.dataset.name)]
        if not wanted:
            raise no_records(places.results, dataset)
        files = board_files(wanted, places.results, asked or Asked(), beside)
        places.leaderboards.mkdir(parents=True, exist_ok=True)
        written = []
        for name, text in sorted(files.items()):
            results.write_atomically(places.leaderboards / name, text.encode())
            written.append(places.leaderboards / name)
        return written


def no_records(folder: Path, dataset: str | None = None) -> StoreError:
    """What to say of a results folder that holds no records (of one dataset, or of any)."""
    what = f"no records of {dataset}" if dataset else "no records"
    return StoreError(f"{folder}: {what}; make some with `brainbench run --results {folder}`")


def resolve_device(device: str) -> str:
    """``auto`` -> cuda where there is one, else cpu; raises UsageError on a device that is not there."""
    import torch

    kind = device.split(":")[0]
    if kind not in ("auto", "cpu", "cuda"):
        raise UsageError(f"--device {device}: allowed are auto, cpu, cuda")
    if kind == "cuda" and not torch.cuda.is_available():
        raise UsageError(f"--device {device}: torch finds no CUDA device here; use --device cpu")
    return ("cuda" if torch.cuda.is_available() else "cpu") if kind == "auto" else device


def _outcome(record: Record) -> str:
    if record.failure:
        return f"FAILED: {record.failure.plugin} at {record.failure.stage}: {record.failure.type}: {record.failure.message}"
    r2 = record.metrics.get("r2")
    figure = f"R2 {r2.values['all']:.3f}, " if r2 and "all" in r2.values else ""
    return f"{figure}{record.cost.wall_s:.1f} s"
