"""Job -> the facts in its record. Nothing here computes a result."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Iterable, Mapping
from typing import Literal

import numpy as np

from brainbench.backbones.tuned_weights import TunedNetwork
from brainbench.pipeline.scores import noise_ceiling
from brainbench.planning.dataset import OpenDataset
from brainbench.planning.jobs import Job
from brainbench.planning.picks import AnyBackbone, BackbonePick, EncoderPick
from brainbench.plugins import library_version
from brainbench.protocols import Fitted
from brainbench.records import BackboneFacts, Cost, DatasetFacts, EncoderFacts, Failure, MetricResult, Record
from brainbench.registry import JOIN


def record(
    job: Job,
    data: OpenDataset,
    *,
    weights_sha256: str | None,
    fitted: Fitted | None,
    metrics: Mapping[str, MetricResult],
    artifacts: Mapping[str, str],
    failure: Failure | None,
    cost: Cost,
) -> Record:
    """Make the record of a job from its results."""
    responses = data.survey(job.subject, job.train_images)
    notes = [*responses.notes] if responses is not None and job.encoder else []
    history = fitted.history if fitted else []
    return Record(
        key=job.key,
        status=status(failure),
        dataset=dataset(data, job.subject, job.train_images),
        backbone=_backbone(job.backbone, weights_sha256),
        encoder=_encoder(job.encoder) if job.encoder else None,
        seed=job.seed,
        grid=job.tokens.grid,
        features_key=job.tokens.key,
        metrics=dict(metrics),
        versions=_versions(job, data),
        cost=cost,
        notes=[*notes, *(fitted.notes if fitted else ())],
        history=[{name: float(value) for name, value in row.items()} for row in history],
        artifacts=dict(artifacts),
        failure=failure,
    )


def failed_record(job: Job, data: OpenDataset, failure: Failure, spent: Cost) -> Record:
    """Make the record of a failed job."""
    return record(job, data, weights_sha256=None, fitted=None, metrics={}, artifacts={}, failure=failure, cost=spent)


def status(failure: Failure | None) -> Literal["done", "failed"]:
    """Return the fields of the record of a failed job."""
    return "failed" if failure else "done"


def cost(started: float, device: str, anonymous_mb: float | None) -> Cost:
    """Seconds since ``started`` (a perf_counter reading), the highest resident memory of this process, and of its anonymous."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    megabytes = peak / (1024**2 if sys.platform == "darwin" else 1024)
    return Cost(round(time.perf_counter() - started, 3), round(megabytes, 1), device, anonymous_mb)


def dataset(data: OpenDataset, subject: str, images: int = 0) -> DatasetFacts:
    """Return what a record says about its dataset and subject, trained on this many ``images`` (0 for all)."""
    opened, stimuli = data.dataset, data.stimuli(subject)
    responses, full = data.survey(subject, images), data.survey(subject)
    measured = {} if responses is None else {name: int(voxels.sum()) for name, voxels in responses.rois.items()}
    splits: tuple[Literal["train", "val", "test"], ...] = ("train", "val", "test")
    return DatasetFacts(
        name=data.card.name,
        title=getattr(opened, "title", None) or data.card.name,
        version=opened.version,
        simulated=data.simulated,
        subject=subject,
        stimuli=len(stimuli),
        stimuli_key=stimuli.key,
        licence=getattr(opened, "licence", None) or data.card.licence,
        responses=0 if responses is None else responses.values.shape[0],
        voxels=0 if responses is None else responses.values.shape[1],
        responses_key=None if responses is None else responses.key,
        split_hash=None if responses is None else responses.split_hash,
        split_sizes={} if responses is None else {split: len(responses.rows(split)) for split in splits},
        dropped_voxels=[] if responses is None else [int(voxel) for voxel in responses.dropped],
        rois=measured,
        noise_ceiling={} if responses is None else noise_ceiling(responses.noise_ceiling, responses.rois),
        contents=data.contents or ({} if full is None else {subject: full.split_hash}),
        test_images=0 if responses is None else len(np.unique(responses.stimulus[responses.rows("test")])),
        full_split_hash=full.split_hash if full is not None and images else None,
        changed=dict(data.changed) | ({"train_images": images} if images else {}),
    )


def _backbone(pick: AnyBackbone, weights_sha256: str | None) -> BackboneFacts:
    """Describe a backbone. For a joint backbone, values that differ between its networks are joined with " + "."""
    cards = [one.card for one in pick.networks]
    parameters = [card.parameters for card in cards]
    return BackboneFacts(
        name=pick.display,
        family=JOIN.join(dict.fromkeys(card.family for card in cards)),
        weights=pick.label,
        weights_sha256=weights_sha256,
        weights_source=_several(_source(one) for one in pick.networks),
        control=pick.control,
        plugin=_several(str(one.plugin) for one in pick.networks) or "",
        settings=dict(pick.settings),
        changed=dict(pick.changed),
        licence=_several(one.licence for one in pick.networks),
        parameters=None if None in parameters else sum(filter(None, parameters)),
    )


def _source(pick: BackbonePick) -> str | None:
    """Name a local file by its content and name, without its folder."""
    if pick.weights.kind == "tuned" and pick.weights.path:
        return f"{TunedNetwork(pick.weights.path.parent).record()['base_weights']}, tuned on {pick.task}"
    if pick.weights.path:
        return pick.weights.path.name
    return pick.card.source if pick.weights.kind == "release" else None


def _several(texts: Iterable[str | None]) -> str | None:
    return " + ".join(dict.fromkeys(filter(None, texts))) or None


def _encoder(pick: EncoderPick) -> EncoderFacts:
    return EncoderFacts(pick.name, str(pick.plugin), dict(pick.settings), dict(pick.changed))


def _versions(job: Job, data: OpenDataset) -> dict[str, str]:
    """Return the versions of brainbench, torch and every distribution that the job used."""
    networks = job.backbone.networks
    plugins = [data.plugin, *(one.plugin for one in networks), *(m.plugin for m in job.metrics)]
    libraries = {*(name for one in networks for name in one.card.libraries), "torch", "brainbench"}
    if job.encoder:
        plugins.append(job.encoder.plugin)
        libraries.update(job.encoder.card.libraries)
    return {p.distribution: p.version for p in plugins} | {name: library_version(name) for name in sorted(libraries)}
