"""The work behind ``brainbench data check``: inspect a dataset on disk before a run. No values are prepared."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from brainbench.cards import DatasetCard
from brainbench.errors import DataError, PluginError, UsageError
from brainbench.parts import Part
from brainbench.planning import estimate
from brainbench.planning.dataset import OpenDataset, open_dataset
from brainbench.planning.jobs import choose, plan
from brainbench.planning.picks import pick_subjects
from brainbench.planning.request import Request
from brainbench.planning.settings import Assignments
from brainbench.plugins import blamed
from brainbench.protocols import Labelled
from brainbench.records import DatasetFacts
from brainbench.registry import Entry, Registry
from brainbench.runner import job_record
from brainbench.types import Responses, Stimuli
from brainbench.util.memory import machine_memory, resolve_device
from brainbench.util.progress import Reporter

# What a dataset may raise because of its files.
_UNREADABLE = (DataError, PluginError)


@dataclass(frozen=True)
class Alignment:
    """The correspondence of response rows and images.

    fewest, most: rows per image, among images that have any; without: number of measured images that have none, because a
    split leaves them out; first, last: the images of the first and the last row.
    """

    fewest: int
    most: int
    without: int
    first: str
    last: str


@dataclass(frozen=True)
class Subject:
    """One subject as found on disk. What could not be read is None, and problem says why.

    facts: as in a record; copies: images that repeat another image's content; unmeasured: images without responses;
    labels: class -> number of images, if it has labels; groups: number of groups of images that no split separates;
    noise_ceiling: its minimum, quartiles and maximum; coordinates: [2, 3] mm, least and largest x, y, z; mesh: its name and
    the number of voxels on either side.
    """

    files: tuple[Part, ...]
    problem: str | None = None
    facts: DatasetFacts | None = None
    copies: int = 0
    unmeasured: int = 0
    labels: dict[str, int] | None = None
    groups: int | None = None
    alignment: Alignment | None = None
    noise_ceiling: tuple[float, ...] | None = None
    coordinates: tuple[tuple[float, ...], ...] | None = None
    mesh: dict[str, Any] | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Disk:
    """Disk space in megabytes.

    dataset: of the files that exist, None if the layout does not list them; features, responses: what a run adds to the
    cache, None if a card says too little; cache_free: free space on the disk of the cache.
    """

    dataset: float | None
    features: float | None
    responses: float
    results: float
    cache_free: float


@dataclass(frozen=True)
class Memory:
    """Memory in megabytes. run: the data and the fit of the largest job; machine: the memory of the machine."""

    run: float | None
    machine: float


@dataclass(frozen=True)
class Inspection:
    """A dataset and its subjects.

    files: those that subjects share. Costs and command are missing if no subject can be run.
    """

    dataset: str
    root: Path
    version: str | None
    files: tuple[Part, ...]
    subjects: dict[str, Subject]
    problems: tuple[str, ...]
    disk: Disk | None = None
    memory: Memory | None = None
    command: str | None = None


def recognise(path: Path, name: str | None, registry: Registry) -> Entry[DatasetCard]:
    """Return the dataset whose root is ``path``: ``name``, or the one whose layout it has.

    Raises UsageError if ``path`` is a level off, or has no known layout or several.
    """
    layouts = [entry for entry in registry.datasets if entry.card.root is not None]
    if name is not None:
        chosen = registry.datasets.get(name)
        if chosen.card.root is None:
            known = ", ".join(entry.name for entry in layouts) or "none"
            raise UsageError(f"--as {name}: {name} has no layout to check; there are: {known}")
        layouts = [chosen]
    if not path.exists():
        raise UsageError(f"{path}: nothing is there; give the folder that holds the dataset")
    roots = [(entry, root) for entry in layouts if (root := _root(entry, path)) is not None]
    here = [entry for entry, root in roots if root.resolve() == path.resolve()]
    if len(here) == 1:
        return here[0]
    if here:
        names = [entry.name for entry in here]
        raise UsageError(f"{path} has the layout of {' and of '.join(names)}: say which, with --as {names[0]}")
    if roots:
        meant = "; or, of ".join(f"{entry.name}: did you mean {shlex.quote(str(root))}?" for entry, root in roots)
        raise UsageError(f"{path} is not the root of {meant}")
    expected = "; ".join(f"{entry.name} ({entry.card.summary})" for entry in layouts) or "none installed"
    raise UsageError(f"{path} has no layout that is known; expected is one of {expected}")


def inspect(
    path: Path,
    registry: Registry,
    cache: Path,
    report: Reporter,
    *,
    name: str | None = None,
    settings: Sequence[str] = (),
    subjects: str | None = None,
) -> Inspection:
    """Read a dataset as a run would, without the responses' values, and plan the run with every default.

    name, settings, subjects: as ``--as``, ``--set`` and ``--subjects``. Errors in a subject's files go to ``problems``.
    Raises UsageError for an invalid request.
    """
    entry, given = recognise(path, name, registry), Assignments(settings)
    variants = given.variants(entry.card, "train_images")
    request = Request(dataset=entry.name, data=path, subjects=subjects, settings=tuple(settings))
    # Report a typo before the data are read.
    choose(request, registry, given, entry.card.simulated, device := resolve_device("auto"))
    parts = _contents(entry, path, entry.card.own_settings(variants[0][0]))
    try:
        with report.task(f"opening {path}"):
            data = open_dataset(entry, variants, path, cache)
    except _UNREADABLE as error:
        named = dict.fromkeys(part.subject for part in parts if part.subject)
        unread = {one: Subject(_of(one, parts)) for one in named if subjects is None or one in subjects.split(",")}
        return Inspection(entry.name, path, None, _of("", parts), unread, (str(error),))
    found = {}
    for subject in pick_subjects(request, data.dataset):
        with report.task(f"subject {subject}"):
            found[subject] = _subject(data, subject, _of(subject, parts))
    problems = [f"subject {subject}: {one.problem}" for subject, one in found.items() if one.problem]
    result = Inspection(entry.name, path, data.dataset.version, _of("", parts), found, tuple(problems))
    readable = [subject for subject, one in found.items() if not one.problem]
    if not readable:
        return result
    if readable != list(data.dataset.subjects):
        request = replace(request, subjects=",".join(readable))
    return _with_costs(result, _scored(request, registry, data), registry, given, data, device, cache)


def _root(entry: Entry[DatasetCard], path: Path) -> Path | None:
    with blamed(entry.plugin, f"look at {path}", f"dataset {entry.name}"):
        return entry.card.root(path) if entry.card.root else None


def _contents(entry: Entry[DatasetCard], path: Path, settings: dict[str, Any]) -> tuple[Part, ...]:
    with blamed(entry.plugin, f"list {path}", f"dataset {entry.name}"):
        return tuple(entry.card.contents(data=path, settings=settings)) if entry.card.contents else ()


def _of(subject: str, parts: Sequence[Part]) -> tuple[Part, ...]:
    return tuple(part for part in parts if part.subject == subject)


def _subject(data: OpenDataset, name: str, files: tuple[Part, ...]) -> Subject:
    try:
        stimuli, responses = data.stimuli(name), data.survey(name)
    except _UNREADABLE as error:
        return Subject(files, problem=str(error))
    one = Subject(
        files,
        facts=job_record.dataset(data, name),
        copies=len(stimuli) - len(set(stimuli.digests)),
        unmeasured=len(stimuli.unmeasured),
    )
    if isinstance(data.dataset, Labelled):
        said = data.dataset.labels(name)
        counts = dict(zip(said.classes, np.bincount(said.values, minlength=len(said.classes)).tolist(), strict=True))
        one = replace(one, labels=counts, groups=len(set(said.groups)) if said.groups else None)
    return one if responses is None else _measured(one, stimuli, responses)


def _measured(one: Subject, stimuli: Stimuli, responses: Responses) -> Subject:
    ceiling, coordinates, surface = responses.noise_ceiling, responses.coordinates, responses.surface
    mesh = None
    if surface is not None:
        sides = {side: int((surface.hemisphere == side).sum()) for side in ("left", "right")}
        mesh = {"name": surface.mesh, **sides}
    return replace(
        one,
        alignment=_alignment(stimuli, responses),
        noise_ceiling=None if ceiling is None else _rounded(np.quantile(ceiling, (0, 0.25, 0.5, 0.75, 1))),
        coordinates=None if coordinates is None else tuple(map(_rounded, (coordinates.min(0), coordinates.max(0)))),
        mesh=mesh,
        notes=responses.notes,
    )


def _alignment(stimuli: Stimuli, responses: Responses) -> Alignment:
    rows = np.bincount(responses.stimulus, minlength=len(stimuli))
    shown, first, last = rows[rows > 0], int(responses.stimulus[0]), int(responses.stimulus[-1])
    without = len(stimuli) - len(stimuli.unmeasured) - len(shown)
    return Alignment(int(shown.min()), int(shown.max()), without, stimuli.ids[first], stimuli.ids[last])


def _scored(request: Request, registry: Registry, data: OpenDataset) -> Request:
    """Return the request with the metrics that a dataset without responses can have; the default metrics need responses."""
    if "responses" in data.dataset.provides:
        return request
    known = {"tokens", *data.dataset.provides}
    cards = [entry.card for entry in registry.metrics]
    possible = [card.name for card in cards if not card.needs_encoder and card.needs <= known]
    return replace(request, metrics=",".join(possible)) if possible else request


def _with_costs(
    found: Inspection,
    request: Request,
    registry: Registry,
    given: Assignments,
    data: OpenDataset,
    device: str,
    cache: Path,
) -> Inspection:
    choice = choose(request, registry, given, data.simulated, device)
    try:
        jobs = plan(request, registry, choice, data)
    except UsageError as error:  # nothing to score
        return replace(found, problems=(*found.problems, str(error)))
    total = estimate.totals(estimate.jobs(jobs, "all"), jobs)
    parts = [*found.files, *(part for one in found.subjects.values() for part in one.files)]
    there = {(part.place, part.what): part.size for part in parts if part.there}
    size = round(sum(there.values()) / 1e6, 1) if data.card.contents else None
    free = round(shutil.disk_usage(cache).free / 1e6, 1)
    return replace(
        found,
        disk=Disk(size, total.features_mb, total.responses_mb, total.results_mb, free),
        memory=Memory(total.memory_mb, round(machine_memory() / 1e6, 1)),
        command=_tune_command(request) if isinstance(data.dataset, Labelled) else _command(request),
    )


def _command(request: Request) -> str:
    words = ["brainbench", "run", "--dataset", request.dataset, "--data", str(request.data)]
    words += ["--subjects", request.subjects] if request.subjects else []
    words += ["--metrics", request.metrics] if request.metrics else []
    return shlex.join([*words, *(word for text in request.settings for word in ("--set", text))])


def _tune_command(request: Request) -> str:
    words = ["brainbench", "tune", "BACKBONE", "--on", request.dataset, "--data", str(request.data)]
    return shlex.join([*words, *(word for text in request.settings for word in ("--set", text))])


def _rounded(values: np.ndarray) -> tuple[float, ...]:
    return tuple(round(float(value), 4) for value in values)
