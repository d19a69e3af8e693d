"""Does a plugin's object do what it has to, does an encoder find what was planted? The work of ``brainbench check``."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from brainbench.errors import PluginError, UsageError, did_you_mean
from brainbench.planning.picks import UNTRAINED
from brainbench.planning.request import Request
from brainbench.planning.settings import Assignments
from brainbench.plugins import describe
from brainbench.records import Record
from brainbench.registry import PUBLISHED, Registry
from brainbench.runner import Run
from brainbench.runner.benchmark import Benchmark
from brainbench.testing import (
    BACKBONE_CHECKS,
    DATASET_CHECKS,
    METRIC_CHECKS,
    BackboneCase,
    ContractError,
    DatasetCase,
    MetricCase,
)
from brainbench.util.folders import Folders, default_cache
from brainbench.util.progress import Reporter


@dataclass(frozen=True)
class Verdict:
    """One check of a backbone, metric or dataset: whether it was passed, and what was seen."""

    name: str
    check: str
    passed: bool
    seen: str


def check_named(names: str, data: Path | None, registry: Registry) -> Iterator[Verdict]:
    """Run every check of the conformance kit on the metrics, datasets or backbones that these names and globs select.

    Backbones are checked as their library initialises them. data: the folder of a dataset that needs one; without it the
    dataset is simulated, if possible. Raises UsageError for a name that selects nothing.
    """
    if names in {entry.name for entry in registry.metrics}:
        yield from _verdicts(names, MetricCase(registry.metrics.get(names).card), METRIC_CHECKS)
        return
    if names in {entry.name for entry in registry.datasets}:
        yield from _verdicts(names, DatasetCase(registry.datasets.get(names).card, data=data), DATASET_CHECKS)
        return
    try:
        entries = registry.backbones.select(names.replace(UNTRAINED, ""))
    except UsageError:
        others = [entry.name for shelf in registry.shelves() if shelf is not registry.backbones for entry in shelf]
        if near := did_you_mean(names, others):
            raise UsageError(f"unknown name {names!r}{near}; `brainbench list` shows them all") from None
        family = names.split("/")[0]
        for shelf in registry.shelves():
            if family in PUBLISHED[shelf.kind]:
                shelf.get(names)
        raise
    for entry in entries:
        yield from _verdicts(entry.name, BackboneCase(entry.card), BACKBONE_CHECKS)


def _verdicts(name: str, case: Any, checks: Mapping[str, Callable[[Any], str]]) -> Iterator[Verdict]:
    for check, found in checks.items():
        try:
            passed, seen = True, found(case)
        except ContractError as error:
            passed, seen = False, str(error)
        # A plugin may raise anything.
        except Exception as error:
            passed, seen = False, describe(error)
        yield Verdict(name, check, passed, " ".join(seen.split()))


@dataclass(frozen=True)
class Finding:
    """One score, the median over seeds, with what is expected; within: whether it is as expected."""

    figure: str
    recovered: float
    expected: str
    within: bool


@dataclass(frozen=True)
class Bound:
    """The expected range of a score."""

    figure: str
    expected: str
    holds: Callable[[float], bool]


# The demo's few steps leave places half found; these take about a minute of one core. A recipe that is asked for keeps its own.
STEPS = 1000
# With 1,000 train images and 2,000 voxels; what a good fit reaches in that time.
BOUNDS = (
    Bound("R2 / noise ceiling", ">= 0.79", lambda x: x >= 0.79),
    Bound("layer r", ">= 0.94", lambda x: x >= 0.94),
    Bound("slope / true slope", "0.85 to 1.15", lambda x: 0.85 <= x <= 1.15),
    Bound("space error", "<= 0.07", lambda x: x <= 0.07),
    Bound("slope without a hierarchy", "-0.05 to 0.05", lambda x: abs(x) <= 0.05),
)


def check_encoder(
    name: str, backbone: str, seeds: int, settings: Sequence[str], device: str, registry: Registry, report: Reporter
) -> list[Finding]:
    """Fit the encoder to brains planted from ``backbone``, with and without a hierarchy, and compare.

    Scores that need a selector which the encoder lacks are left out. Raises PluginError if the encoder fails.
    """
    card = registry.encoders.get(name).card
    known = {setting.name for setting in card.all_settings()}
    own_length = {"recipe", "passes"} & {key for key in known if Assignments(settings).sets(card, key)}
    # The user's settings come later and take precedence.
    enough = [f"{name}.steps={STEPS}"] if "steps" in known and not own_length else []
    figures: dict[str, list[float]] = {}
    for flat in (False, True):
        request = Request(
            backbones=backbone,
            encoders=name,
            metrics="r2,recovery",
            dataset="planted",
            data=Path(backbone),
            seeds=seeds,
            settings=(*enough, *settings, f"planted.flat={flat}"),
            controls=False,
        )
        for record in _records(request, registry, device, report):
            for figure, value in _figures(record, flat).items():
                figures.setdefault(figure, []).append(value)
    return [
        Finding(bound.figure, value, bound.expected, bound.holds(value))
        for bound in BOUNDS
        if bound.figure in figures
        for value in [median(figures[bound.figure])]
    ]


def _records(request: Request, registry: Registry, device: str, report: Reporter) -> list[Record]:
    with tempfile.TemporaryDirectory(prefix="brainbench-check-") as place:
        folders = Folders(Path(place) / "results", Path(place) / "leaderboards", default_cache())
        benchmark = Benchmark.open(request, registry, folders, device=device, keep="scores")
        folders.prepare()
        records = []
        for job, record, _ in Run(benchmark.plan, folders, benchmark.device, report, keep="scores").records():
            for failure in record.failures:
                raise PluginError(f"{failure.plugin} failed at {failure.stage}: {failure.message}")
            report.message(f"{job.label}: R2 {record.metrics['r2'].values['all']:.3f}, {record.cost.wall_s:.0f} s")
            records.append(record)
    return records


def _figures(record: Record, flat: bool) -> Mapping[str, float]:
    recovery = record.metrics["recovery"].values
    if flat:
        return {"slope without a hierarchy": recovery["slope"]} if "slope" in recovery else {}
    named = {"layer_r": "layer r", "slope_ratio": "slope / true slope", "space_error": "space error"}
    found = {title: recovery[key] for key, title in named.items() if key in recovery}
    ceiling = record.dataset.noise_ceiling["all"]
    return found | {"R2 / noise ceiling": record.metrics["r2"].values["all"] / ceiling}
