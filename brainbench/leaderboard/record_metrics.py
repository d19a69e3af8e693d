"""The records of one board -> the scores of a metric over records, one per finished job."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from brainbench.errors import PluginError
from brainbench.leaderboard.rows import Edition, roi_rank
from brainbench.pipeline.scores import checked
from brainbench.planning.picks import MetricPick
from brainbench.plugins import blamed
from brainbench.protocols import RecordsMetric
from brainbench.records import EncoderFacts, MetricResult, Record
from brainbench.results.arrays import StoredArrays
from brainbench.results.artifacts import count_parameters
from brainbench.types import Cell, Score


def compute(pick: MetricPick, edition: Edition, results: Path) -> dict[str, MetricResult]:
    """Return record key -> score, for every finished job with an encoder; results: the records' folder.

    Raises PluginError, naming the plugin, if the metric raises or does not return one Score per cell.
    """
    card, plugin = pick.card, pick.plugin
    cells = {r.key: cell(r, r.encoder, results) for r in edition.records if r.encoder and r.status == "done"}
    with blamed(plugin, "score the records", f"metric {card.name}", own=False):
        metric = card.loader(settings=pick.settings)
        if not isinstance(metric, RecordsMetric):
            raise PluginError(f"load() returned {type(metric).__name__}, expected a RecordsMetric")
        said: Sequence[Score] = metric.score(tuple(cells.values()))
        if len(said) != len(cells):
            raise PluginError(f"score() gave {len(said)} scores for {len(cells)} cells")
        found = [checked(card, score) for score in said]
    columns = _columns(pick, edition)
    return {
        key: replace(result, version=pick.version, display=replace(result.display, columns=columns, roi_columns=False))
        for key, result in zip(cells, found, strict=True)
    }


def cell(record: Record, encoder: EncoderFacts, results: Path) -> Cell:
    """Return a finished job as a metric over records sees it."""
    key, spent = record.row, record.cost
    network = " ".join(filter(None, (key.backbone, key.backbone_settings)))
    fit = " ".join(filter(None, (key.encoder, key.encoder_settings)))
    counts = {
        "fitted_parameters": count_parameters(results, record),
        "backbone_parameters": record.backbone.parameters,
    }
    return Cell(
        row=f"{network} ({key.weights}) x {fit}",
        backbone=record.backbone.name,
        encoder=encoder.name,
        control=record.backbone.control,
        subject=record.dataset.subject,
        seed=record.seed,
        versions={name: result.version for name, result in record.metrics.items()},
        cost={"wall_s": spent.wall_s, "peak_memory_mb": spent.peak_memory_mb}
        | {name: float(count) for name, count in counts.items() if count is not None},
        rois=tuple(record.dataset.rois),
        arrays=StoredArrays(results, record),
    )


def _columns(pick: MetricPick, edition: Edition) -> dict[str, str]:
    """Return the card's columns, then those of its ROIs under its own heading, because the bare ROI names are R2's."""
    card = pick.card
    headings = dict(card.columns)
    if card.roi_columns:
        rois = {name for record in edition.records for name in record.dataset.rois}
        first = next(iter(headings.values()))
        headings |= {roi: f"{first} {roi}" for roi in sorted(rois, key=roi_rank)}
    return headings
