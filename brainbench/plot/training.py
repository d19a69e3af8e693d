"""The course of a fit."""

from __future__ import annotations

from brainbench.errors import UsageError
from brainbench.plot.page import Picture, page, style
from brainbench.plot.voxels import Source, voxels_of

_LABELS = {"loss": "training loss", "val_r2": "R2 on validation images"}
_STYLES = ("-", "--", ":", "-.")


def training_curve(record: Source) -> Picture:
    """Plot training loss and validation R2 over steps, one line per subject; record: as in ``layer_map``.

    Raises UsageError for an encoder that is not trained in steps.
    """
    voxels = voxels_of(record)
    records = [one for one in voxels.records if one.history]
    kinds = [kind for kind in _LABELS if any(kind in point for one in records for point in one.history)]
    if not kinds:
        raise UsageError(f"{voxels.title}: no training curve; this encoder is not trained step by step")
    with style():
        figure, box = page(voxels, 2.3, "training")
        low = box["bottom"] + 0.42 / float(figure.get_figheight())
        grid = figure.add_gridspec(1, len(kinds), left=0.09, right=0.98, bottom=low, top=box["top"], wspace=0.25)
        for column, kind in enumerate(kinds):
            axes = figure.add_subplot(grid[column])
            for number, one in enumerate(records):
                points = [(point["step"], point[kind]) for point in one.history if kind in point]
                axes.plot(
                    *zip(*points, strict=True),
                    color=f"{0.15 + 0.5 * number / max(1, len(records) - 1):.2f}",
                    linestyle=_STYLES[number % len(_STYLES)],
                    marker=".",
                    markersize=4,
                    linewidth=1.2,
                    label=f"subject {one.dataset.subject}",
                )
            axes.set(xlabel="step", ylabel=_LABELS[kind])
        if len(records) > 1:
            axes.legend()
    return figure
