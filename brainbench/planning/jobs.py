"""Request -> jobs, validated before anything runs. Reads cards and the dataset; builds no network."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from brainbench.cards import MetricCard
from brainbench.errors import UsageError
from brainbench.planning import keys
from brainbench.planning.backbones import pick_backbones
from brainbench.planning.dataset import OpenDataset
from brainbench.planning.picks import (
    AnyBackbone,
    BackbonePick,
    Choice,
    EncoderPick,
    JointPick,
    MetricPick,
    pick_encoders,
    pick_engine,
    pick_metrics,
    pick_subjects,
)
from brainbench.planning.request import Request
from brainbench.planning.settings import Assignments
from brainbench.planning.tokens import TokenRequest, token_request
from brainbench.registry import Registry
from brainbench.types import Grid

_MEASURED = {"responses", "dissimilarities"}


@dataclass(frozen=True)
class Job:
    """One backbone, one encoder or none, one subject and one seed, which give one record. train_images: 0 for all."""

    key: str
    tokens: TokenRequest
    encoder: EncoderPick | None
    metrics: tuple[MetricPick, ...]
    subject: str
    seed: int
    train_images: int = 0

    @property
    def backbone(self) -> AnyBackbone:
        """The backbone whose tokens are read."""
        return self.tokens.backbone

    @property
    def label(self) -> str:
        """Its name in messages."""
        parts = [self.backbone.display, self.encoder.name if self.encoder else "tokens only"]
        fewer = f", {self.train_images} training images" if self.train_images else ""
        return " x ".join(parts) + f", subject {self.subject}, seed {self.seed}{fewer}"


@dataclass(frozen=True)
class Plan:
    """All jobs of a run, in order: by backbone, then by subject, so that features are read once.

    computed: the requested metrics that are computed from records when the board is built.
    """

    data: OpenDataset
    backbones: tuple[AnyBackbone, ...]
    jobs: tuple[Job, ...]
    computed: tuple[MetricPick, ...] = ()


def choose(request: Request, registry: Registry, given: Assignments, simulated: bool, device: str) -> Choice:
    """Resolve every name and setting of a request. On simulated data, minis represent their families. Raises UsageError."""
    if request.seeds < 1:
        raise UsageError(f"--seeds {request.seeds}: must be at least 1")
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
    # Its settings do not matter to the jobs, but have to be right.
    pick_engine(request, registry, given)
    given.check_used(registry)
    return Choice(tuple(backbones), tuple(encoders), tuple(metrics))


def plan(request: Request, registry: Registry, choice: Choice, data: OpenDataset) -> Plan:
    """Expand a request into jobs. Raises UsageError if the dataset lacks what the request needs."""
    subjects, encoders = pick_subjects(request, data.dataset), choice.encoders
    computed = tuple(m for m in choice.metrics if m.card.needs_records)
    metrics = tuple(m for m in choice.metrics if not m.card.needs_records)
    if computed and not metrics:
        raise UsageError(
            f"--metrics {request.metrics}: computed from the records of other metrics; name those too, e.g. "
            f"r2,{request.metrics}; for existing records: `brainbench leaderboard --metrics {request.metrics}`"
        )
    if "responses" not in data.dataset.provides:
        if all(m.card.needs_encoder for m in metrics):
            free = ", ".join(e.name for e in registry.metrics if _free(e.card)) or "none installed"
            raise UsageError(
                f"{data.card.name} has no responses, and every metric asked for needs some; without: {free}"
            )
        encoders = ()
    jobs = []
    for backbone in choice.backbones:
        own = _jobs(backbone, encoders, metrics, subjects, range(request.seeds), data)
        if isinstance(backbone, JointPick) and not own:
            raise _unread(backbone, registry)
        jobs += own
    return Plan(data, choice.backbones, tuple(jobs), computed)


def _unread(backbone: JointPick, registry: Registry) -> UsageError:
    takes = ", ".join(e.name for e in registry.encoders if e.card.joint)
    which = takes or "none is installed, one comes with: pip install brainbench-plugin-alignedcut"
    return UsageError(
        f"--backbones {backbone.display}: nothing requested accepts a joint backbone. It needs responses, a metric of fits, e.g. "
        f"r2, and an encoder that accepts it ({which}); or separate the names with commas"
    )


def _free(card: MetricCard) -> bool:
    """Whether a metric scores a backbone without an encoder."""
    return not (card.needs_encoder or card.needs_records)


def _jobs(
    backbone: AnyBackbone,
    encoders: Sequence[EncoderPick],
    metrics: Sequence[MetricPick],
    subjects: Sequence[str],
    seeds: Iterable[int],
    data: OpenDataset,
) -> list[Job]:
    fitted = tuple(m for m in metrics if m.card.needs_encoder)
    # Metrics that need no fit score each network of a joint backbone by itself.
    several = isinstance(backbone, JointPick)
    alone = [m for m in metrics if not (m.card.needs_encoder or several)]
    takers = [e for e in encoders if e.card.joint or not several]
    jobs = _token_jobs(backbone, alone, subjects, data)
    for subject in subjects:
        if not fitted or data.survey(subject) is None:
            continue
        jobs += [
            _job(encoder.reads(backbone), encoder, fitted, subject, seed, encoder.card.grid, data, images)
            for images in data.sizes(subject)
            for encoder in takers
            for seed in seeds
        ]
    return jobs


def _token_jobs(
    backbone: AnyBackbone, metrics: Sequence[MetricPick], subjects: Sequence[str], data: OpenDataset
) -> list[Job]:
    """Make the jobs without an encoder.

    There is one per subject for metrics that need responses, and one per set of stimuli for the others.
    """
    jobs = []
    for grid in sorted({m.card.grid for m in metrics}):
        seen: set[str] = set()
        for subject in subjects:
            stimuli = data.stimuli(subject).key
            some = tuple(
                m for m in metrics if m.card.grid == grid and (stimuli not in seen or m.card.needs & _MEASURED)
            )
            seen.add(stimuli)
            if some:
                # These scores are on the board of every size, though the size does not change them.
                jobs += [_job(backbone, None, some, subject, 0, grid, data, images) for images in data.sizes(subject)]
    return jobs


def _job(
    backbone: AnyBackbone,
    encoder: EncoderPick | None,
    metrics: tuple[MetricPick, ...],
    subject: str,
    seed: int,
    grid: Grid,
    data: OpenDataset,
    images: int = 0,
) -> Job:
    tokens, responses = token_request(backbone, data.readable(subject), grid), data.survey(subject, images)
    source: dict[str, Any] = {"dataset": data.card.name, "version": data.dataset.version, "subject": subject}
    source["code"] = keys.code_digest(data.card, data.plugin)
    if content := data.content(subject):
        source["content"] = content
    if responses is not None:
        source |= {"responses": responses.key, "split": responses.split_hash}
    if isinstance(backbone, BackbonePick) and backbone.card.shuffles:
        source |= {"shuffle_seed": backbone.settings["shuffle_seed"]}
    if tokens.stimuli.unmeasured:
        source |= {"unmeasured": list(tokens.stimuli.unmeasured)}
    key = keys.job_key(tokens.key, encoder.facts if encoder else None, source, seed)
    return Job(key, tokens, encoder, metrics, subject, seed, images)
