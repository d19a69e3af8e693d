"""``brainbench.reopen``: a fit from its record."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from brainbench.api.features import cache_folders, read_tokens
from brainbench.errors import StoreError, UsageError
from brainbench.planning.picks import UNTRAINED
from brainbench.planning.request import Request
from brainbench.records import Record
from brainbench.registry import JOIN, installed
from brainbench.results.store import read_record
from brainbench.runner.benchmark import Benchmark
from brainbench.types import Features, Masks, Stimuli
from brainbench.util.hashing import file_sha256


@dataclass(frozen=True)
class Reopened:
    """A finished fit, with its data.

    stimuli: the subject's images; masks: their per-pixel classes, if any; features: their tokens, as the fit read them;
    parameters: the file of the fitted encoder, as ``Fitted.parameters`` returned it.
    """

    stimuli: Stimuli
    masks: Masks | None
    features: Features
    parameters: Path
    _others: Callable[[Stimuli], Features]

    def features_of(self, stimuli: Stimuli) -> Features:
        """Return the tokens of other images, by the same backbone in the same way."""
        return self._others(stimuli)


def reopen(
    record: str | Path,
    *,
    data: str | Path | None = None,
    weights: Sequence[str] = (),
    device: str = "auto",
    cache: str | Path | None = None,
) -> Reopened:
    """A fit from its record: the images it saw, their tokens, and its parameters. Nothing is fitted.

    Args:
        record: its JSON file in a results folder.
        data: path of its dataset, if it needs one, as in ``--data``.
        weights: ``NAME=FILE`` of a backbone that ran with a checkpoint of yours, as in ``--weights``.
        device: as in ``features``.
        cache: as in ``features``.

    Raises:
        StoreError: the record or its parameters are missing or damaged.
        UsageError: it is not of a fit, or the data, the backbone or its weights are not those it was made with.
        WeightsError, PluginError: the backbone cannot give its tokens.
    """
    path = Path(record)
    found, parameters = finished_fit(path)
    assert found.encoder is not None
    folders = cache_folders(cache)
    request = Request(
        backbones=found.backbone.name,
        encoders=found.encoder.name,
        metrics="r2",
        dataset=found.dataset.name,
        data=None if data is None else Path(data),
        subjects=found.dataset.subject,
        weights=tuple(weights),
        settings=tuple(settings_of(found)),
        controls=False,
    )
    benchmark = Benchmark.open(request, installed(), folders, device=device)
    job = next((job for job in benchmark.plan.jobs if job.encoder and job.tokens.key == found.features_key), None)
    if job is None:
        raise UsageError(
            f"{path}: the images, the backbone or its version are not those it was made with; run the same command again, or "
            "give its --data and --weights"
        )
    opened, pick, grid = benchmark.plan.data, job.backbone, job.tokens.grid

    def others(stimuli: Stimuli) -> Features:
        return read_tokens(pick, stimuli, grid, benchmark.device, folders)

    shown = opened.stimuli(job.subject)
    return Reopened(shown, opened.dataset.masks(job.subject), others(shown), parameters, others)


def finished_fit(path: Path) -> tuple[Record, Path]:
    """Return the record of a fit and the file of its parameters; raises StoreError or UsageError if they are not there whole."""
    found = read_record(path)
    if found.failure is not None:
        raise UsageError(f"{path}: this job failed ({found.failure.type}: {found.failure.message}); run it again")
    if found.status != "done" or found.encoder is None:
        raise UsageError(f"{path}: this record has no fit; choose a record with an encoder")
    name = f"{found.key}.safetensors"
    if name not in found.artifacts:
        raise UsageError(f"{path}: its parameters were not kept; run the same command again with --keep all --fresh")
    parameters = path.parent / name
    if not parameters.is_file() or file_sha256(parameters) != found.artifacts[name]:
        raise StoreError(f"{parameters} is missing or damaged; run the same command again with --fresh")
    return found, parameters


def settings_of(record: Record) -> Iterator[str]:
    """``--set`` texts of everything that a record says was set."""
    yield from backbone_settings(record)
    if record.encoder:
        yield from (f"{record.encoder.name}.{key}={value}" for key, value in record.encoder.changed.items())
    yield from (f"{record.dataset.name}.{key}={value}" for key, value in record.dataset.changed.items())


def backbone_settings(record: Record) -> Iterator[str]:
    """``--set`` texts of the backbone's settings; those of one backbone among several bear its name."""
    members = [name.removesuffix(UNTRAINED) for name in record.backbone.name.split(JOIN)]
    for key, value in record.backbone.settings.items():
        own = [name for name in members if len(members) > 1 and key.startswith(f"{name}.")]
        yield from [f"{key}={value}"] if own else [f"{name}.{key}={value}" for name in members]
