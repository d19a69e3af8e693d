"""Every layer's own weight (Figures 13 to 15): small maps or, without a mesh, a table of ROI means."""

from __future__ import annotations

import matplotlib
import numpy as np
from matplotlib.colors import Normalize

from brainbench.plot.cortex_figure import colour_bar, regions_of
from brainbench.plot.meshes import Cortex, cortex
from brainbench.plot.page import Picture, page, style
from brainbench.plot.panels import panels
from brainbench.plot.voxels import Source, Voxels, voxels_of

_PALETTE = "magma"
_LONGEST = 14  # characters of a layer's name above a small map


def weights_map(record: Source) -> Picture:
    """Plot one small map per layer, all on one colour scale; record: as in ``layer_map``."""
    voxels = voxels_of(record)
    weights = np.asarray(voxels.need("layer"))
    sheets = cortex(voxels.surface, voxels.sheets)
    with style():
        return _table(voxels, weights) if sheets is None else _panels(voxels, sheets, weights)


def _panels(voxels: Voxels, sheets: Cortex, weights: np.ndarray) -> Picture:
    count = weights.shape[1]
    columns = min(count, 6 if count <= 18 else 8)
    palette, scale = matplotlib.colormaps[_PALETTE], Normalize(0, float(weights.max()), clip=True)
    names = [
        f"{number}: {name}" if len(name) <= _LONGEST and columns <= 6 else str(number)
        for number, name in enumerate(voxels.layers, start=1)
    ]
    paintings = [palette(scale(weights[:, number]))[:, :3] for number in range(count)]
    figure, bar = panels(voxels, sheets, paintings, names, columns, "weight of each layer")
    colour_bar(bar, palette, scale, "weight")
    return figure


def _table(voxels: Voxels, weights: np.ndarray) -> Picture:
    regions = regions_of(voxels)
    means = np.stack([weights[mask].mean(axis=0) for mask in regions.values()])
    figure, box = page(voxels, 0.45 + 0.26 * max(3, len(regions)), "mean weight of each layer")
    bottom = box["bottom"] + 0.4 / float(figure.get_figheight())
    grid = figure.add_gridspec(
        1, 2, width_ratios=(1, 0.025), left=0.14, right=0.91, bottom=bottom, top=box["top"], wspace=0.04
    )
    axes = figure.add_subplot(grid[0])
    palette, scale = matplotlib.colormaps[_PALETTE], Normalize(0, float(means.max()))
    axes.imshow(means, cmap=palette, norm=scale, aspect="auto", interpolation="nearest")
    axes.set_yticks(range(len(regions)), [f"{name} ({int(mask.sum())})" for name, mask in regions.items()])
    ticks = np.unique(np.linspace(0, means.shape[1] - 1, min(means.shape[1], 20)).round().astype(int))
    axes.set_xticks(ticks, [str(tick + 1) for tick in ticks])
    axes.set_xlabel("layer")
    colour_bar(figure.add_subplot(grid[1]), palette, scale, "mean weight")
    return figure
