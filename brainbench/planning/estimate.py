"""The memory, disk and downloads that a run will need."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from brainbench.backbones.packaged_weights import is_shipped
from brainbench.planning.jobs import Job, Plan
from brainbench.planning.picks import AnyBackbone, BackbonePick, JointPick
from brainbench.planning.tokens import TokenRequest
from brainbench.types import Grid
from brainbench.util.memory import budget

_GRID_TOKENS = 8 * 8 + 1
# Number of aligned channels if an encoder does not say: that of the default recipe.
_CHANNELS = 16


def announcement(plan: Plan) -> list[str]:
    """Say which card represents which family, what will be downloaded, and what was noticed about the data."""
    lines = [f"{len(plan.jobs)} jobs on {plan.data.card.name}" + (" (simulated)" if plan.data.simulated else "")]
    for pick in plan.backbones:
        lines.append(f"  {pick.display}: {_role(pick)}, weights {pick.label}{_download(pick)}")
    networks = {one.display: one for pick in plan.backbones for one in pick.networks}
    noncommercial = [p for p in networks.values() if "NC" in (p.licence or "") and p.weights.kind != "untrained"]
    lines += [f"  note: {p.display} is licensed {p.licence}: not for commercial use" for p in noncommercial]
    return lines + _data_notes(plan)


def jobs(plan: Plan, keep: str) -> list[dict[str, Any]]:
    """Return one row per job with estimated memory and disk in MB, None if a card says too little; keep: as ``--keep``."""
    return [
        {
            "backbone": job.backbone.display,
            "encoder": job.encoder.name if job.encoder else None,
            "subject": job.subject,
            "seed": job.seed,
            "train_images": job.train_images,
            "metrics": [m.name for m in job.metrics],
            "key": job.key,
            "features_mb": _features_mb(job.tokens),
            "memory_mb": _memory_mb(job, plan),
            "results_mb": _results_mb(job, plan, keep),
        }
        for job in plan.jobs
    ]


def largest_mb(plan: Plan) -> float:
    """Return the memory of the job that needs most, in MB; where a card says too little, all the tokens that a fit may hold."""
    needs = [_memory_mb(job, plan) for job in plan.jobs]
    return max((budget() / 1e6 if need is None else need for need in needs), default=0.0)


@dataclass(frozen=True)
class Totals:
    """What a whole run needs, in MB; None if a card says too little.

    features, responses: in the cache, without responses that are there already.
    """

    features_mb: float | None
    responses_mb: float
    results_mb: float
    memory_mb: float | None


def totals(rows: list[dict[str, Any]], plan: Plan) -> Totals:
    """Sum up the rows. Jobs with the same backbone and stimuli share features."""
    alone = {one.key: one for job in plan.jobs for one in job.tokens.networks}
    surveys = [plan.data.survey(subject) for subject in dict.fromkeys(job.subject for job in plan.jobs)]
    return Totals(
        features_mb=_sum_if_known(map(_features_mb, alone.values())),
        responses_mb=_sum(found.unprepared / 1e6 for found in surveys if found is not None),
        results_mb=_sum(row["results_mb"] for row in rows),
        memory_mb=None if None in (needs := [row["memory_mb"] for row in rows]) else max(needs, default=0.0),
    )


def text(rows: list[dict[str, Any]], plan: Plan) -> str:
    """Return the rows as lines, and their sums."""
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
    """Say what was dropped or decided when the data were read, each note once with its subjects."""
    about: dict[str, list[str]] = {}
    for subject in dict.fromkeys(job.subject for job in plan.jobs):
        responses = plan.data.survey(subject)
        for note in responses.notes if responses is not None else ():
            about.setdefault(note, []).append(subject)
    return [f"  subject {', '.join(subjects)}: {note}" for note, subjects in about.items()]


def _features_mb(tokens: TokenRequest) -> float | None:
    each = [_image_bytes(one, tokens.grid) for one in tokens.backbone.networks]
    if None in each:
        return None
    return round(len(tokens.stimuli) * sum(filter(None, each)) / 1e6, 1)


def _image_bytes(network: BackbonePick, grid: Grid) -> int | None:
    """Return the size of the tokens of one image."""
    card = network.card
    if card.layers is None or card.width is None:
        return None
    tokens = _GRID_TOKENS
    if grid == "native":
        if card.patch is None or card.input_size is None:
            return None
        tokens = (card.input_size // card.patch) ** 2 + 1
    return card.layers * card.width * tokens * (2 if network.settings["dtype"] == "float16" else 4)


def _memory_mb(job: Job, plan: Plan) -> float | None:
    features = _features_mb(job.tokens)
    if features is None:
        return None
    if job.encoder is None:
        return features
    responses = plan.data.survey(job.subject, job.train_images)
    held = responses.values.size * 4 / 1e6 if responses is not None else 0
    if job.encoder.card.memory is None or responses is None:
        # Tokens that do not fit are read again at every pass (docs/decisions/006).
        fit = min(features, budget(job.encoder.settings.get("memory", 0.0)) / 1e6)
    else:
        cards = [one.card for one in job.backbone.networks]
        test = responses.split == "test"
        fit = job.encoder.card.memory(
            images=len(set(responses.stimulus[~test].tolist())),
            test=int(test.sum()),
            voxels=responses.values.shape[1],
            layers=sum(card.layers or 0 for card in cards),
            channels=max(card.width or 0 for card in cards),
            settings=job.encoder.settings,
        )
        fit /= 1e6
    return round(fit + held, 1)


def _results_mb(job: Job, plan: Plan, keep: str) -> float:
    responses = plan.data.survey(job.subject, job.train_images)
    if responses is None or job.encoder is None or keep == "scores":
        return 0.01
    voxels, cards = responses.values.shape[1], [one.card for one in job.backbone.networks]
    channels = job.encoder.settings.get("dim") or _CHANNELS
    layers, weights = sum(c.layers or 12 for c in cards), sum((c.layers or 12) * (c.width or 768) for c in cards)
    # Predictions, selectors with the read-out twice (array and parameters), the channel align; a byte a voxel of ROI masks.
    predicted = len(responses.rows("test")) + len(plan.data.stimuli(job.subject).unmeasured)
    figures = voxels * (predicted + layers + 6 + 2 * channels) + weights * channels
    return float(round((figures * 4 + voxels * len(responses.rois)) / 1e6, 2))


def _role(pick: AnyBackbone) -> str:
    if isinstance(pick, JointPick):
        return "as one" + (", control" if pick.control else "")
    return "control" if pick.control else f"family {pick.card.family}"


def _download(pick: AnyBackbone) -> str:
    return "".join(dict.fromkeys(_one_download(one) for one in pick.networks))


def _one_download(network: BackbonePick) -> str:
    card = network.card
    nowhere = card.weights == "none" or card.source is None or is_shipped(card.source)
    if network.weights.kind != "release" or nowhere:
        return ""
    size = f" ({card.download_mb:,.0f} MB)" if card.download_mb else ""
    return f", downloads {card.source}{size} unless cached"


def _sum(values: Iterable[float]) -> float:
    return round(sum(values, 0.0), 1)


def _sum_if_known(values: Iterable[float | None]) -> float | None:
    known = list(values)
    return None if None in known else _sum(filter(None, known))


def _mb(value: float | None) -> str:
    return "unknown" if value is None else f"{value:,.1f} MB"
