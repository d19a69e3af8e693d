"""What was asked -> the jobs, validated before anything runs. Reads cards and the dataset; builds no network."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from brainbench.cards import DatasetCard, EncoderCard, MetricCard
from brainbench.errors import BrainbenchError, PluginError, UsageError, did_you_mean
from brainbench.planning import keys
from brainbench.planning.backbones import pick_backbones
from brainbench.planning.picks import BackbonePick
from brainbench.planning.settings import Assignments
from brainbench.planning.training_images import train_images, trained_on
from brainbench.plugins import describe
from brainbench.protocols import Dataset, Surveyed
from brainbench.registry import Entry, Registry, split_list
from brainbench.types import Grid, Responses, Stimuli

DEFAULT_ENCODERS = "factortopy,classtoken"
_MEASURED = {"responses", "dissimilarities"}


@dataclass(frozen=True)
class Request:
    """A run as a person asks for it; the command line and ``brainbench.run`` both make one.

    metrics: None for those whose card says default; subjects: None for all; weights: ``untrained`` or ``NAME=FILE`` texts;
    settings: ``NAME.key=value`` texts; seeds: how many, from 0.
    """

    backbones: str = "all"
    encoders: str = DEFAULT_ENCODERS
    metrics: str | None = None
    dataset: str = "demo"
    data: Path | None = None
    subjects: str | None = None
    seeds: int = 1
    weights: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    controls: bool = True


@dataclass(frozen=True)
class EncoderPick:
    """An encoder with its settings."""

    entry: Entry[EncoderCard]
    settings: Mapping[str, Any]
    changed: Mapping[str, Any]

    def reads(self, backbone: BackbonePick) -> BackbonePick:
        """The backbone as this encoder reads it: at the encoder's own tap, if it has one, where that can be."""
        return backbone.read_at(self.settings["tap"]) if "tap" in self.settings else backbone

    @property
    def facts(self) -> dict[str, Any]:
        """What goes into the job key."""
        return keys.card_facts(self.entry.card, self.entry.plugin, self.settings)


@dataclass(frozen=True)
class MetricPick:
    """A metric with its settings. version: as records and boards keep it apart."""

    entry: Entry[MetricCard]
    settings: Mapping[str, Any]
    version: str


@dataclass(frozen=True)
class Choice:
    """What a request selects, with settings."""

    backbones: tuple[BackbonePick, ...]
    encoders: tuple[EncoderPick, ...]
    metrics: tuple[MetricPick, ...]


@dataclass(frozen=True)
class DatasetPick:
    """The dataset of a run, opened. changed: settings that somebody changed; train_images: how many to train on, 0 for all."""

    entry: Entry[DatasetCard]
    dataset: Dataset
    changed: Mapping[str, Any] = field(default_factory=dict)
    train_images: tuple[int, ...] = (0,)

    _stimuli: dict[str, Stimuli] = field(default_factory=dict, repr=False)
    _asked: dict[tuple[str, str, int], Responses | None] = field(default_factory=dict, repr=False)

    @property
    def card(self) -> DatasetCard:
        """Its card."""
        return self.entry.card

    @property
    def simulated(self) -> bool:
        """Whether no brain was measured: the card or the data themselves say so."""
        return self.card.simulated or bool(getattr(self.dataset, "simulated", False))

    def stimuli(self, subject: str) -> Stimuli:
        """The subject's images; the dataset is asked once."""
        if subject not in self._stimuli:
            with self._blamed("stimuli"):
                self._stimuli[subject] = self.dataset.stimuli(subject)
        return self._stimuli[subject]

    def survey(self, subject: str, images: int = 0) -> Responses | None:
        """As ``responses``, but the values may be missing: all that a plan or a record needs to know."""
        return self._ask("survey" if isinstance(self.dataset, Surveyed) else "responses", subject, images)

    def responses(self, subject: str, images: int = 0) -> Responses | None:
        """The subject's responses, with so many training ``images`` alone (0: all); raises UsageError when there are fewer.

        The dataset, which may have to screen them, is asked once.
        """
        return self._ask("responses", subject, images)

    def _ask(self, method: str, subject: str, images: int) -> Responses | None:
        if (method, subject, 0) not in self._asked:
            with self._blamed(method):
                self._asked[method, subject, 0] = getattr(self.dataset, method)(subject)
        every = self._asked[method, subject, 0]
        if every is not None and (method, subject, images) not in self._asked:
            self._asked[method, subject, images] = trained_on(every, images, f"{self.card.name}.train_images")
        return every and self._asked[method, subject, images]

    def sizes(self, subject: str) -> list[int]:
        """The wanted numbers of training images, each once; 0 stands for all, also where all are as many as were asked for."""
        responses = self.survey(subject)
        there = 0 if responses is None else len(train_images(responses))
        return list(dict.fromkeys(0 if images == there else images for images in self.train_images))

    @contextmanager
    def _blamed(self, what: str) -> Iterator[None]:
        try:
            yield
        except BrainbenchError:
            raise
        except Exception as error:
            owner = f"{self.entry.plugin.distribution} {self.entry.plugin.version}"
            raise PluginError(
                f"dataset {self.card.name} of {owner} failed to give {what}: {describe(error)}"
            ) from error


@dataclass(frozen=True)
class Job:
    """One backbone, one encoder or none, one subject, one seed: what ends as one record. train_images: 0 for all."""

    key: str
    features_key: str
    ingredients: Mapping[str, Any]
    backbone: BackbonePick
    encoder: EncoderPick | None
    metrics: tuple[MetricPick, ...]
    subject: str
    seed: int
    grid: Grid
    train_images: int = 0

    @property
    def label(self) -> str:
        """How messages name it."""
        parts = [self.backbone.display, self.encoder.entry.name if self.encoder else "tokens only"]
        fewer = f", {self.train_images} training images" if self.train_images else ""
        return " x ".join(parts) + f", subject {self.subject}, seed {self.seed}{fewer}"


@dataclass(frozen=True)
class Plan:
    """All jobs of a run, in the order they run: by backbone, then subject, so that features are read once.

    computed: the metrics asked for that are computed from records when the board is built.
    """

    data: DatasetPick
    backbones: tuple[BackbonePick, ...]
    jobs: tuple[Job, ...]
    computed: tuple[MetricPick, ...] = ()


def pick_encoders(request: Request, registry: Registry, given: Assignments, simulated: bool) -> list[EncoderPick]:
    """The encoders of a run with their settings."""
    picks = []
    for entry in registry.encoders.select(request.encoders):
        settings, changed = given.resolve(entry.card, simulated=simulated)
        picks.append(EncoderPick(entry, settings, changed))
    return picks


def pick_metrics(request: Request, registry: Registry, given: Assignments) -> list[MetricPick]:
    """The metrics of a run: those asked for, or those whose card says ``default``."""
    if request.metrics is None:
        entries = tuple(entry for entry in registry.metrics if entry.card.default)
    else:
        entries = registry.metrics.select(request.metrics)
    return [pick_metric(entry, given) for entry in entries]


def pick_metric(entry: Entry[MetricCard], given: Assignments) -> MetricPick:
    """A metric with its settings; those that were changed are a part of its version."""
    settings, changed = given.resolve(entry.card)
    suffix = "".join(f" {key}={value}" for key, value in sorted(changed.items()))
    return MetricPick(entry, settings, entry.card.version + suffix)


def pick_subjects(request: Request, dataset: Dataset) -> list[str]:
    """The subjects asked for, or all; raises UsageError on one that the dataset does not have."""
    known = list(dataset.subjects)
    if request.subjects is None:
        return known
    wanted = split_list(request.subjects, "subjects")
    for name in wanted:
        if name not in known:
            raise UsageError(
                f"--subjects {name}: no such subject{did_you_mean(name, known)}; there are: {', '.join(known)}"
            )
    return list(dict.fromkeys(wanted))


def choose(request: Request, registry: Registry, given: Assignments, simulated: bool, device: str) -> Choice:
    """Resolve every name and setting of a request; on simulated data minis stand for their families. Raises UsageError."""
    if request.seeds < 1:
        raise UsageError(f"--seeds {request.seeds}: at least 1")
    backbones = pick_backbones(
        request.backbones,
        registry,
        given,
        simulated=simulated,
        weights=request.weights,
        controls=request.controls,
        device=device,
    )
    encoders = pick_encoders(request, registry, given, simulated)
    metrics = pick_metrics(request, registry, given)
    given.check_used(registry)
    return Choice(tuple(backbones), tuple(encoders), tuple(metrics))


def plan(request: Request, registry: Registry, choice: Choice, data: DatasetPick) -> Plan:
    """Expand a request into jobs. Raises UsageError when the dataset cannot give what it asks for."""
    subjects, encoders = pick_subjects(request, data.dataset), choice.encoders
    computed = tuple(m for m in choice.metrics if m.entry.card.needs_records)
    metrics = tuple(m for m in choice.metrics if not m.entry.card.needs_records)
    if computed and not metrics:
        raise UsageError(
            f"--metrics {request.metrics}: computed from the records of other metrics, which have to be asked for too, e.g. "
            f"r2,{request.metrics}; of records that are there: `brainbench leaderboard --metrics {request.metrics}`"
        )
    if "responses" not in data.dataset.provides:
        if all(m.entry.card.needs_encoder for m in metrics):
            free = ", ".join(e.name for e in registry.metrics if _free(e.card)) or "none installed"
            raise UsageError(
                f"{data.card.name} has no responses, and every metric asked for needs some; without: {free}"
            )
        encoders = ()
    jobs = []
    for backbone in choice.backbones:
        own = _jobs(backbone, encoders, metrics, subjects, range(request.seeds), data)
        if backbone.members and not own:
            raise _unread(backbone, registry)
        jobs += own
    return Plan(data, choice.backbones, tuple(jobs), computed)


def tokens_job(backbone: BackbonePick, subject: str, grid: Grid, data: DatasetPick) -> Job:
    """A job that asks for a backbone's tokens and nothing else."""
    return _job(backbone, None, (), subject, 0, grid, data)


def member_jobs(job: Job, data: DatasetPick) -> list[Job]:
    """For a job of several backbones as one: what asks each of them for its tokens; for any other the job itself."""
    members = job.backbone.members
    return [tokens_job(one, job.subject, job.grid, data) for one in members] if members else [job]


def _unread(backbone: BackbonePick, registry: Registry) -> UsageError:
    takes = ", ".join(e.name for e in registry.encoders if e.card.joint)
    which = takes or "none is installed, one comes with: pip install brainbench-plugin-alignedcut"
    return UsageError(
        f"--backbones {backbone.display}: nothing asked for reads several backbones as one; that takes responses, a metric of "
        f"fits, e.g. r2, and an encoder that says so ({which}); or run them one by one, with commas"
    )


def _free(card: MetricCard) -> bool:
    """Whether a metric says something of a backbone alone."""
    return not (card.needs_encoder or card.needs_records)


def _jobs(
    backbone: BackbonePick,
    encoders: Sequence[EncoderPick],
    metrics: Sequence[MetricPick],
    subjects: Sequence[str],
    seeds: Iterable[int],
    data: DatasetPick,
) -> list[Job]:
    fitted = tuple(m for m in metrics if m.entry.card.needs_encoder)
    # Of several backbones as one, what a metric says without a fit it says of each alone.
    alone = [m for m in metrics if not (m.entry.card.needs_encoder or backbone.members)]
    takers = [e for e in encoders if e.entry.card.joint or not backbone.members]
    jobs = _token_jobs(backbone, alone, subjects, data)
    for subject in subjects:
        if not fitted or data.survey(subject) is None:
            continue
        jobs += [
            _job(encoder.reads(backbone), encoder, fitted, subject, seed, encoder.entry.card.grid, data, images)
            for images in data.sizes(subject)
            for encoder in takers
            for seed in seeds
        ]
    return jobs


def _token_jobs(
    backbone: BackbonePick, metrics: Sequence[MetricPick], subjects: Sequence[str], data: DatasetPick
) -> list[Job]:
    """Jobs without an encoder: one a subject for metrics that read a brain, one a set of stimuli for the others."""
    jobs = []
    for grid in sorted({m.entry.card.grid for m in metrics}):
        seen: set[str] = set()
        for subject in subjects:
            stimuli = data.stimuli(subject).key
            some = tuple(
                m
                for m in metrics
                if m.entry.card.grid == grid and (stimuli not in seen or m.entry.card.needs & _MEASURED)
            )
            seen.add(stimuli)
            if some:
                # The figures stand on the board of every size, though no size changes them.
                jobs += [_job(backbone, None, some, subject, 0, grid, data, images) for images in data.sizes(subject)]
    return jobs


def _job(
    backbone: BackbonePick,
    encoder: EncoderPick | None,
    metrics: tuple[MetricPick, ...],
    subject: str,
    seed: int,
    grid: Grid,
    data: DatasetPick,
    images: int = 0,
) -> Job:
    stimuli, responses = data.stimuli(subject), data.survey(subject, images)
    features_key, ingredients = keys.features_key(backbone.facts, stimuli.key, grid)
    source: dict[str, Any] = {"dataset": data.card.name, "version": data.dataset.version, "subject": subject}
    if responses is not None:
        source |= {"responses": responses.key, "split": responses.split_hash}
    if backbone.entry.card.shuffles:
        source |= {"shuffle_seed": backbone.settings["shuffle_seed"]}
    if stimuli.unmeasured:
        source |= {"unmeasured": list(stimuli.unmeasured)}
    key = keys.job_key(features_key, encoder.facts if encoder else None, source, seed)
    return Job(key, features_key, ingredients, backbone, encoder, metrics, subject, seed, grid, images)
