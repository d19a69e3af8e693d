"""Every layer's own weight (Figures 13 to 15): small maps, or a table of ROI means where there is no mesh."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize

from brainbench.plot.figures import colour_bar, regions_of
from brainbench.plot.meshes import SIDES, Cortex, cortex
from brainbench.plot.painting import VIEWS, Window, flat, inflated, windows
from brainbench.plot.pictures import WIDTH, Picture, page, style
from brainbench.plot.voxels import Source, Voxels, voxels_of

_PALETTE = "magma"
_LONGEST = 14  # characters of a layer's name above a small map
_BAR = 0.1  # of the width


def weights_map(record: Source) -> Picture:
    """One small map a layer, all of one colour scale; record: as of ``layer_map``."""
    voxels = voxels_of(record)
    weights = np.asarray(voxels.need("layer"))
    sheets = cortex(voxels.surface, voxels.sheets)
    with style():
        return _table(voxels, weights) if sheets is None else _panels(voxels, sheets, weights)


def _panels(voxels: Voxels, sheets: Cortex, weights: np.ndarray) -> Picture:
    count = weights.shape[1]
    columns = min(count, 6 if count <= 18 else 8)
    lines = -(-count // columns)
    palette, scale = matplotlib.colormaps[_PALETTE], Normalize(0, float(weights.max()), clip=True)
    shown = windows(sheets) if sheets.flat else {}
    width = WIDTH * (1 - _BAR - 0.02) / max(columns, 3)
    panel = width * _aspect(shown) + 0.2
    figure, box = page(voxels, lines * panel, "weight of each layer", sheets.notes)
    high = box["top"] - box["bottom"]
    for number in range(count):
        row, column = divmod(number, columns)
        for half, side in enumerate(SIDES):
            left = 0.01 + (column + half / 2) * width / WIDTH
            place = (
                left,
                box["top"] - (row + 1) * high / lines,
                0.48 * width / WIDTH,
                high / lines * (1 - 0.2 / panel),
            )
            axes = figure.add_axes(place)
            _paint(axes, sheets, side, shown, palette(scale(weights[:, number]))[:, :3])
        name = voxels.layers[number]
        figure.text(
            0.01 + (column + 0.48) * width / WIDTH,
            box["top"] - row * high / lines - 0.13 * high / lines / panel,
            f"{number + 1}: {name}" if len(name) <= _LONGEST and columns <= 6 else str(number + 1),
            fontsize=6.5,
            ha="center",
        )
    tall = min(0.8 * high, 2.5 / float(figure.get_figheight()))
    colour_bar(
        figure.add_axes((1 - _BAR + 0.005, box["bottom"] + (high - tall) / 2, 0.015, tall)), palette, scale, "weight"
    )
    return figure


def _paint(axes: Axes, sheets: Cortex, side: str, shown: Mapping[str, Window], colours: np.ndarray) -> None:
    if sheets.flat:
        sheet = sheets.flat[side]
        flat(axes, sheet, sheets.spread(colours, side, sheet), shown[side])
    else:
        sheet = sheets.inflated[side]
        inflated(axes, sheet, side, next(iter(VIEWS)), sheets.spread(colours, side, sheet))


def _aspect(shown: Mapping[str, Window]) -> float:
    """Height over width of a panel of two sides: of flat maps, or of lateral views."""
    if not shown:
        return 0.35
    width, height = shown[SIDES[0]].size
    return height / (2 * width)


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
