"""Metrics -> scores, each in its own ``try``: a metric that raises fails alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from brainbench.cards import MetricCard
from brainbench.errors import PluginError
from brainbench.metrics.bootstrap import DRAWS, packed
from brainbench.protocols import Metric
from brainbench.records import LARGEST, Display, MetricResult
from brainbench.types import MetricInputs, Score

# The words for a need in a sentence, if they differ from its name.
# Near the end of half precision, in which draws are stored.
_WIDEST = 6e4
_SPOKEN = {"aligned": "aligned tokens (this encoder has no channel align)"}


@dataclass(frozen=True)
class LoadedMetric:
    """A metric ready to score, with its card."""

    card: MetricCard
    metric: Metric


def score(loaded: LoadedMetric, inputs: MetricInputs) -> tuple[MetricResult, np.ndarray | None]:
    """Return (scores for the record, [V] per voxel if there are any). The metric sees only the inputs that its card needs.

    Raises PluginError if a metric returns anything but finite numbers.
    """
    card = loaded.card
    lacking = missing_inputs(card, inputs)
    if lacking:
        reason = f"there are no {' and no '.join(_SPOKEN.get(need, need) for need in lacking)}"
        return MetricResult(card.version, display_of(card), not_applicable=reason), None
    said = loaded.metric.score(_only_needed(card, inputs))
    return checked(card, said), said.per_voxel


def checked(card: MetricCard, result: Score) -> MetricResult:
    """Convert a metric's score for a record or a board. Raises PluginError if it is anything but finite numbers up to 1e100."""
    if not isinstance(result, Score):
        raise PluginError(f"{card.name}: score() must return brainbench.Score, got {type(result).__name__}")
    values = {name: float(value) for name, value in result.values.items()}
    bad = [name for name, value in values.items() if not abs(value) <= LARGEST]
    if bad:
        raise PluginError(
            f"{card.name}: not a finite number: {', '.join(bad)} (up to {LARGEST:g}); return Score(not_applicable=reason) instead"
        )
    drawn = {name: _deviations(card.name, name, drawn, values) for name, drawn in result.draws.items()}
    draws = {name: packed(one) for name, one in drawn.items() if np.abs(one).max() < _WIDEST}
    notes = list(result.notes)
    if wide := sorted(drawn.keys() - draws.keys()):
        notes.append(
            f"{card.name}: no interval for {', '.join(wide)}: it would be over {_WIDEST:g} wide; look for a value that stands for "
            "missing among the responses"
        )
    return MetricResult(card.version, display_of(card), values, result.not_applicable, notes, draws)


def display_of(card: MetricCard) -> Display:
    """Return what a record stores of a metric's card, so that a board needs nothing but records."""
    return Display(
        columns=dict(card.columns),
        roi_columns=card.roi_columns,
        direction=card.direction,
        opposite=list(card.opposite),
        digits=card.digits,
        layers={prefix: list(beside) for prefix, beside in card.layers.items()},
        explanation=dict(card.explanation),
        precedence=card.precedence,
        ceiling=card.ceiling,
        errors=card.errors,
        errors_note=card.errors_note,
        caveat=card.caveat,
    )


def missing_inputs(card: MetricCard, inputs: MetricInputs) -> list[str]:
    """Return the card's needs that these inputs lack."""
    held: Mapping[str, object] = {
        "predictions": inputs.predictions,
        "selectors": inputs.selectors,
        "responses": inputs.responses,
        "tokens": inputs.features,
        "aligned": inputs.aligned,
        "parameters": inputs.parameters,
        "masks": inputs.masks,
        "dissimilarities": inputs.dissimilarities,
    }
    return [need for need in sorted(card.needs) if held.get(need) is None]


def noise_ceiling(ceiling: np.ndarray | None, rois: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Return the mean noise ceiling over all voxels and per ROI; empty without one."""
    if ceiling is None:
        return {}
    known = {name: ceiling[voxels & np.isfinite(ceiling)] for name, voxels in rois.items()}
    known = {"all": ceiling[np.isfinite(ceiling)], **known}
    return {name: float(np.mean(values)) for name, values in known.items() if values.size}


def _deviations(metric: str, name: str, drawn: np.ndarray, values: Mapping[str, float]) -> np.ndarray:
    """Return the draws of a score less the score. Raises PluginError unless they are 1,000 numbers for an existing score."""
    if name not in values or np.shape(drawn) != (DRAWS,) or not np.isfinite(drawn).all():
        raise PluginError(
            f"{metric}: draws of {name!r} must be {DRAWS} finite numbers, and values must have a score of that name"
        )
    return np.asarray(drawn, dtype=np.float64) - values[name]


def _only_needed(card: MetricCard, inputs: MetricInputs) -> MetricInputs:
    needs: Sequence[str] = [*card.needs]
    return replace(
        inputs,
        predictions=inputs.predictions if "predictions" in needs else None,
        selectors=inputs.selectors if "selectors" in needs else None,
        responses=inputs.responses if "responses" in needs else None,
        features=inputs.features if "tokens" in needs else None,
        aligned=inputs.aligned if "aligned" in needs else None,
        parameters=inputs.parameters if "parameters" in needs else None,
        masks=inputs.masks if "masks" in needs else None,
        dissimilarities=inputs.dissimilarities if "dissimilarities" in needs else None,
        other_dissimilarities=inputs.other_dissimilarities if "dissimilarities" in needs else (),
    )
