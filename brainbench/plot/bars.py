"""R2 by ROI, with its errors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from brainbench.errors import UsageError
from brainbench.leaderboard.intervals import Estimate, Sample, estimate
from brainbench.metrics.bootstrap import unpacked
from brainbench.plot.page import Picture, page, style
from brainbench.plot.voxels import Source, voxels_of
from brainbench.records import Record


def roi_bars(record: Source) -> Picture:
    """Plot the mean R2 of every ROI over subjects, with 95 % intervals as on the leaderboard.

    Points are subjects, short lines the noise ceiling. record: as in ``layer_map``. Raises UsageError if metric ``r2`` was
    not scored.
    """
    voxels = voxels_of(record)
    records = [one for one in voxels.records if "r2" in one.metrics and "all" in one.metrics["r2"].values]
    if not records or len(records) < len(voxels.records):
        raise UsageError(f"{voxels.title}: not scored with r2; run it again with --metrics r2")
    names = [name for name in ("all", *_rois(records)) if all(name in r.metrics["r2"].values for r in records)]
    figures = {name: [r.metrics["r2"].values[name] for r in records] for name in names}
    known = {name: found for name in names if (found := _interval(records, name)) is not None}
    lacking = "Bars without a line have no interval: too few test images, or a record without draws."
    notes = ["Lines: 95 % intervals, as on the leaderboard. Points: subjects. Short grey lines: noise ceiling."]
    with style():
        figure, box = page(voxels, 2.4, "R2 by ROI", notes if len(known) == len(names) else [*notes, lacking])
        low = box["bottom"] + 0.3 / float(figure.get_figheight())
        axes = figure.add_axes((0.09, low, 0.89, box["top"] - low))
        for place, name in enumerate(names):
            axes.bar(place, float(np.mean(figures[name])), width=0.66, color="0.45" if name == "all" else "#5b8db8")
            # Next to the interval, not under it.
            axes.plot(
                np.full(len(records), place + 0.2), figures[name], ".", color="0.15", markersize=3, linestyle="none"
            )
            ceiling = [r.dataset.noise_ceiling[name] for r in records if name in r.dataset.noise_ceiling]
            if len(ceiling) == len(records):
                axes.hlines(float(np.mean(ceiling)), place - 0.33, place + 0.33, color="0.5", linewidth=1)
            if name in known:
                axes.vlines(place, known[name].low, known[name].high, color="black", linewidth=1.4)
        axes.axhline(0, color="black", linewidth=0.6)
        axes.set_xticks(range(len(names)), names)
        axes.tick_params(axis="x", length=0)
        if len(names) > 14:
            axes.tick_params(axis="x", rotation=60)
        axes.set_ylabel("R2 on test images")
    return figure


def _rois(records: Sequence[Record]) -> list[str]:
    return list(dict.fromkeys(name for record in records for name in record.dataset.rois))


def _interval(records: Sequence[Record], name: str) -> Estimate | None:
    """Return the interval as on the leaderboard. None unless every record has draws of its test images."""
    results = [(record, record.metrics["r2"]) for record in records]
    if any(name not in result.draws for _, result in results):
        return None
    cells = {
        (record.dataset.subject, record.seed): (result.values[name], unpacked(result.draws[name]))
        for record, result in results
    }
    return estimate(Sample(cells, min(record.dataset.split_sizes.get("test", 0) for record in records)))
