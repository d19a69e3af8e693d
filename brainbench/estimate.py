"""What a run will take and download, told before it starts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from brainbench.machine import budget
from brainbench.matrix import Job, Plan
from brainbench.selection import BackbonePick
from brainbench.shipping import is_shipped

_GRID_TOKENS = 8 * 8 + 1
# Aligned channels where an encoder does not say: those of the default recipe.
_CHANNELS = 16


def announcement(plan: Plan) -> list[str]:
    """Which card stands for which family, what will be downloaded, and what was noticed about the data."""
    lines = [f"{len(plan.jobs)} jobs on {plan.data.card.name}" + (" (simulated)" if plan.data.simulated else "")]
    for pick in plan.backbones:
        role = "control" if pick.control else f"family {pick.entry.card.family}"
        lines.append(f"  {pick.display}: {role}, weights {pick.label}{_download(pick)}")
    noncommercial = [
        p for p in plan.backbones if "NC" in (p.entry.card.licence or "") and p.weights.kind != "untrained"
    ]
    lines += [f"  note: {p.display} is licensed {p.entry.card.licence}: not for commercial use" for p in noncommercial]
    return lines + _data_notes(plan)


def jobs(plan: Plan, keep: str) -> list[dict[str, Any]]:
    """One row a job with estimated memory and disk in MB, None where a card does not say enough; keep: as ``--keep``."""
    return [
        {
            "backbone": job.backbone.display,
            "encoder": job.encoder.entry.name if job.encoder else None,
            "subject": job.subject,
            "seed": job.seed,
            "train_images": job.train_images,
            "metrics": [m.entry.name for m in job.metrics],
            "key": job.key,
            "features_mb": _features_mb(job, plan),
            "memory_mb": _memory_mb(job, plan),
            "results_mb": _results_mb(job, plan, keep),
        }
        for job in plan.jobs
    ]


@dataclass(frozen=True)
class Totals:
    """What a whole run takes, in MB. features, responses: in the cache, responses as far as they are not there yet."""

    features_mb: float
    responses_mb: float
    results_mb: float
    memory_mb: float


def totals(rows: list[dict[str, Any]], plan: Plan) -> Totals:
    """The sums of the rows; features are shared between the jobs of one backbone and stimulus set."""
    features = {job.features_key: row["features_mb"] for job, row in zip(plan.jobs, rows, strict=True)}
    surveys = [plan.data.survey(subject) for subject in dict.fromkeys(job.subject for job in plan.jobs)]
    return Totals(
        features_mb=_sum(features.values()),
        responses_mb=_sum(found.unprepared / 1e6 for found in surveys if found is not None),
        results_mb=_sum(row["results_mb"] for row in rows),
        memory_mb=max((row["memory_mb"] or 0.0 for row in rows), default=0.0),
    )


def text(rows: list[dict[str, Any]], plan: Plan) -> str:
    """The rows as lines, and their sums."""
    lines = announcement(plan)
    for job, row in zip(plan.jobs, rows, strict=True):
        lines.append(f"  {job.label}: memory {_mb(row['memory_mb'])}, results {_mb(row['results_mb'])}")
    whole = totals(rows, plan)
    prepared = f" and prepared responses {_mb(whole.responses_mb)}" if whole.responses_mb else ""
    lines.append(
        f"disk: features {_mb(whole.features_mb)}{prepared} in the cache, results {_mb(whole.results_mb)}; "
        f"memory: at most {_mb(whole.memory_mb)} for data and fit"
    )
    return "\n".join(lines)


def _data_notes(plan: Plan) -> list[str]:
    """What was dropped or decided when the data were read, each once with the subjects it is about."""
    about: dict[str, list[str]] = {}
    for subject in dict.fromkeys(job.subject for job in plan.jobs):
        responses = plan.data.survey(subject)
        for note in responses.notes if responses is not None else ():
            about.setdefault(note, []).append(subject)
    return [f"  subject {', '.join(subjects)}: {note}" for note, subjects in about.items()]


def _features_mb(job: Job, plan: Plan) -> float | None:
    card = job.backbone.entry.card
    if card.layers is None or card.width is None:
        return None
    tokens = _GRID_TOKENS
    if job.grid == "native":
        if card.patch is None or card.input_size is None:
            return None
        tokens = (card.input_size // card.patch) ** 2 + 1
    bytes_each = 2 if job.backbone.settings["dtype"] == "float16" else 4
    stimuli = len(plan.data.stimuli(job.subject))
    return round(stimuli * card.layers * card.width * tokens * bytes_each / 1e6, 1)


def _memory_mb(job: Job, plan: Plan) -> float | None:
    features = _features_mb(job, plan)
    if features is None:
        return None
    if job.encoder is None:
        return features
    # What does not fit is read again and again (docs/decisions/006).
    tokens = min(features, budget(job.encoder.settings.get("memory", 0.0)) / 1e6)
    responses = plan.data.survey(job.subject, job.train_images)
    return round(tokens + (responses.values.size * 4 / 1e6 if responses is not None else 0), 1)


def _results_mb(job: Job, plan: Plan, keep: str) -> float:
    responses = plan.data.survey(job.subject, job.train_images)
    if responses is None or job.encoder is None or keep == "scores":
        return 0.01
    voxels, layers = responses.values.shape[1], job.backbone.entry.card.layers or 12
    channels = job.encoder.settings.get("dim") or _CHANNELS
    width = job.backbone.entry.card.width or 768
    # Predictions, selectors with the read-out twice (array and parameters), the channel align; a byte a voxel of ROI masks.
    predicted = len(responses.rows("test")) + len(plan.data.stimuli(job.subject).unmeasured)
    figures = voxels * (predicted + layers + 6 + 2 * channels) + layers * width * channels
    return float(round((figures * 4 + voxels * len(responses.rois)) / 1e6, 2))


def _download(pick: BackbonePick) -> str:
    card = pick.entry.card
    if pick.weights.kind != "release" or card.weights == "none" or card.source is None or is_shipped(card.source):
        return ""
    size = f" ({card.download_mb:,.0f} MB)" if card.download_mb else ""
    return f", downloads {card.source}{size} unless cached"


def _sum(values: Iterable[float | None]) -> float:
    return round(sum((value or 0.0 for value in values), 0.0), 1)


def _mb(value: float | None) -> str:
    return "unknown" if value is None else f"{value:,.1f} MB"
