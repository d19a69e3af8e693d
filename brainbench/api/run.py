"""``brainbench.run``: the command line's ``run`` as a function that returns a data frame."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from brainbench.api.arguments import Names, Settings, WeightFiles, assignment_texts, weight_texts
from brainbench.backbones.in_memory import as_it_is_now
from brainbench.cards import BackboneCard
from brainbench.planning import estimate
from brainbench.planning.request import DEFAULT_ENCODERS, Request
from brainbench.records import Record
from brainbench.registry import installed
from brainbench.runner.benchmark import Benchmark
from brainbench.util.folders import Folders, default_cache
from brainbench.util.progress import Reporter, Silent


def run(
    backbones: Names | BackboneCard | Sequence[str | BackboneCard] = "all",
    encoders: Names = DEFAULT_ENCODERS,
    dataset: str = "demo",
    *,
    metrics: Names | None = None,
    data: str | Path | None = None,
    subjects: Names | int | Sequence[int] | None = None,
    seeds: int = 1,
    device: str = "auto",
    weights: WeightFiles = (),
    set: Settings = (),
    no_controls: bool = False,
    results: str | Path = "results",
    leaderboards: str | Path = "leaderboards",
    keep: str = "all",
    fresh: bool = False,
    workers: int | str = 1,
    engine: str = "local",
    detach: bool = False,
    retry_failed: bool = False,
    dry_run: bool = False,
    report: Reporter | None = None,
) -> pd.DataFrame:
    """Run every backbone x encoder x subject x seed, write records and boards, and return the records as a frame.

    The arguments are the options of ``brainbench run``.

    Args:
        backbones: names, globs and ``A+B`` as on the command line (a comma list or a sequence), or what ``from_module`` returned.
        encoders: names and globs.
        dataset: a dataset's name.
        metrics: names and globs; None for those whose card says default.
        data: what ``--data`` names: the folder of your experiment.
        subjects: subjects' names; None for all.
        seeds: how many seeds, from 0.
        device: ``auto``, ``cpu`` or ``cuda``.
        weights: ``"untrained"``, or backbone name -> checkpoint file.
        set: ``{"factortopy.steps": 500, "demo.train_images": [100, 400]}``, or ``["factortopy.steps=500"]``.
        no_controls: leave out pixels, random, shuffled and the untrained twins.
        results: folder of the records.
        leaderboards: folder of the boards.
        keep: ``all``, or ``scores`` to keep records alone.
        fresh: run again what is already there, tokens included.
        workers: how many processes share the jobs, or ``"auto"``; a script that has more than one keeps its own code under
            ``if __name__ == "__main__":``, because each process imports the script.
        engine: where the jobs are done: ``local``, or an engine of a plugin; its settings are set as ``"slurm.minutes": 120``.
        detach: hand the jobs to the engine's queue and return the records that are there.
        retry_failed: do the jobs that failed, and nothing else.
        dry_run: run nothing; return one row a job with its estimated memory and disk in MB.
        report: hears what the run is doing; nothing is printed without one.

    Returns:
        One row a record: what it is about, ``status``, ``error``, its file (``record``), and a column a figure (``r2.all``,
        ``r2.V1``, ``hierarchy.slope`` ...).

    Raises:
        UsageError, DataError, StoreError: as the command line's exit code 2.
    """
    names, given = _backbones(backbones)
    cards = [as_it_is_now(card) for card in given]
    request = Request(
        backbones=names,
        encoders=_joined(encoders),
        metrics=None if metrics is None else _joined(metrics),
        dataset=dataset,
        data=None if data is None else Path(data),
        subjects=None if subjects is None else _joined(subjects),
        seeds=seeds,
        weights=weight_texts(weights),
        settings=assignment_texts(set),
        controls=not no_controls,
        engine=engine,
    )
    folders = Folders(Path(results), Path(leaderboards), default_cache())
    registry = installed().with_backbones(cards) if cards else installed()
    benchmark = Benchmark.open(
        request,
        registry,
        folders,
        device=device,
        keep=keep,
        fresh=fresh,
        workers=str(workers),
        retry_failed=retry_failed,
        detach=detach,
    )
    if dry_run:
        return pd.DataFrame(estimate.jobs(benchmark.plan, keep))
    return frame(benchmark.ordered(benchmark.run(report or Silent())), folders.results)


def frame(records: Sequence[Record], folder: Path) -> pd.DataFrame:
    """Return records as a table, one row each. folder: that of the records."""
    return pd.DataFrame([_flat(record, folder) for record in records])


def _flat(record: Record, folder: Path) -> dict[str, Any]:
    row: dict[str, Any] = {
        "backbone": record.backbone.name,
        "weights": record.backbone.weights,
        "encoder": record.encoder.name if record.encoder else None,
        "dataset": record.dataset.name,
        "subject": record.dataset.subject,
        "seed": record.seed,
        "train_images": record.dataset.changed.get("train_images", 0),
        "status": record.status,
        "error": "; ".join(f"{one.plugin}: {one.type}: {one.message}" for one in record.failures) or None,
        "control": record.backbone.control,
        "key": record.key,
        "record": str(folder.absolute() / f"{record.key}.json"),
    }
    figures = {f"{m}.{name}": value for m, result in record.metrics.items() for name, value in result.values.items()}
    return row | figures | {"wall_s": record.cost.wall_s}


def _backbones(asked: Names | BackboneCard | Sequence[str | BackboneCard]) -> tuple[str, list[BackboneCard]]:
    several = [asked] if isinstance(asked, str | BackboneCard) else list(asked)
    cards = [one for one in several if isinstance(one, BackboneCard)]
    return ",".join(one.name if isinstance(one, BackboneCard) else one for one in several), cards


def _joined(names: Names | int | Sequence[int]) -> str:
    # A number of numpy is neither an int nor a sequence.
    return ",".join(map(str, names)) if isinstance(names, Iterable) and not isinstance(names, str) else str(names)
