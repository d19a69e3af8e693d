"""The similarity of a fit's layers. A layer selector cannot tell similar layers apart."""

from __future__ import annotations

import matplotlib
import numpy as np
from matplotlib.colors import Normalize

from brainbench.leaderboard.displays import display
from brainbench.plot.cortex_figure import colour_bar
from brainbench.plot.maps import judgements, trust_notes
from brainbench.plot.page import Picture, page, style
from brainbench.plot.voxels import Source, Voxels, voxels_of
from brainbench.registry import installed


def correlation_matrix(record: Source) -> Picture:
    """Plot, layer by layer, the correlation of the aligned features, and the share of one layer that another could supply.

    Below them are the remarks of the metrics that judge layer maps. Several subjects are averaged. record: as in
    ``layer_map``. Raises UsageError if the encoder does not report how similar its layers are.
    """
    voxels = voxels_of(record)
    panels = {
        "correlation of aligned features": (voxels.need("correlation"), "RdBu_r", Normalize(-1, 1)),
        "share of row that column could give": (voxels.need("likeness"), "magma", Normalize(0, 1)),
    }
    with style():
        figure, box = page(voxels, 3.1, "how alike layers are", _said(voxels))
        height = float(figure.get_figheight())
        low, tall = box["bottom"] + 0.35 / height, box["top"] - box["bottom"] - 0.6 / height
        for number, (name, (matrix, palette, scale)) in enumerate(panels.items()):
            left = 0.07 + 0.49 * number
            axes = figure.add_axes((left, low, 0.34, tall))
            axes.imshow(matrix, cmap=palette, norm=scale, interpolation="nearest")
            ticks = np.unique(np.linspace(0, len(matrix) - 1, min(len(matrix), 12)).round().astype(int))
            axes.set_xticks(ticks, [str(tick + 1) for tick in ticks])
            axes.set_yticks(ticks, [str(tick + 1) for tick in ticks])
            axes.set(title=name, xlabel="layer", ylabel="layer")
            colour_bar(
                figure.add_axes((left + 0.355, low + 0.1 * tall, 0.015, 0.8 * tall)),
                matplotlib.colormaps[palette],
                scale,
                "",
            )
    return figure


def _said(voxels: Voxels) -> list[str]:
    """Return the scores of the metrics that judge layer maps, averaged over subjects, and their remarks."""
    columns: dict[tuple[str, str], list[float]] = {}
    for name, result in judgements(voxels):
        how = display(name, result)
        for value, heading in how.columns.items():
            if value in result.values:
                columns.setdefault((heading, how.explanation.get(value, "")), []).append(result.values[value])
    if not columns:
        names = ", ".join(entry.name for entry in installed().metrics if entry.card.caveat)
        return [
            "No metric that judges layer maps was scored, or none applies: run again with "
            f"--metrics {names} to have its judgement here."
        ]
    means = [
        f"{heading[:1].upper()}{heading[1:]} {np.mean(values):.3f}. {text}".strip()
        for (heading, text), values in columns.items()
    ]
    return [*means, *trust_notes(voxels)]
