"""The paths of image regions through the layers, in the plane of a 2-D embedding (AlignedCut, Figures 9 and 18 to 22)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap, Normalize

from brainbench.errors import UsageError
from brainbench.plot.colours import layer_colours
from brainbench.plot.cortex_figure import colour_bar
from brainbench.plot.page import WIDTH, Caption, Picture, page, style

_COLUMNS, _DRAWN = 3, 4000  # panels of a line, tokens behind the paths
_PATHS = "Dark2"


def trajectory_map(
    places: Sequence[np.ndarray], paths: Mapping[str, np.ndarray], caption: Caption, what: str = ""
) -> Picture:
    """Plot one panel for each group of paths, over the places of all tokens, which are coloured by layer.

    places: for each of L layers [M_l, 2], L at least 1; paths: group, e.g. ``foreground`` -> [n, L', 2], the place of each
    of n regions in L' successive layers, NaN where it is not followed; a dot marks its start, an arrowhead its end. A group
    without a path is left out. Raises UsageError if there is nothing to draw.
    """
    shown = {name: group for name, group in paths.items() if len(group)}
    if not places or not shown:
        raise UsageError(f"{len(places)} layers and no regions to follow: give one of each at least")
    columns = 2 if len(shown) == 4 else min(_COLUMNS, len(shown))
    lines = -(-len(shown) // columns)
    side = min((WIDTH - 1.0) / columns, 3.2)
    with style():
        figure, box = page(caption, lines * (side + 0.2), what)
        tall = float(figure.get_figheight())
        every = np.concatenate(places)
        low, high = every.min(axis=0), every.max(axis=0)
        margin = 0.04 * np.where(high > low, high - low, 1)
        for number, (name, group) in enumerate(shown.items()):
            row, column = divmod(number, columns)
            bottom = box["top"] - ((row + 1) * (side + 0.2)) / tall
            axes = figure.add_axes(((0.1 + column * side) / WIDTH, bottom, (side - 0.1) / WIDTH, (side - 0.05) / tall))
            _scatter(axes, places)
            _follow(axes, group)
            axes.set(xticks=[], yticks=[])
            axes.set_xlim(low[0] - margin[0], high[0] + margin[0])
            axes.set_ylim(low[1] - margin[1], high[1] + margin[1])
            axes.set_title(f"{name} ({len(group)})", pad=2)
            for spine in axes.spines.values():
                spine.set(visible=True, color="0.7")
        bar = figure.add_axes(((0.2 + columns * side) / WIDTH, box["top"] - side / tall, 0.02, 0.8 * side / tall))
        colour_bar(bar, ListedColormap(layer_colours(len(places))), Normalize(0.5, len(places) + 0.5), "layer")
        bar.set_yticks([1, len(places)] if len(places) > 1 else [1])
    return figure


def _scatter(axes: Axes, places: Sequence[np.ndarray]) -> None:
    """Select the tokens drawn behind the paths: equally many per layer, at most _DRAWN together; late layers on top."""
    for points, colour in zip(places, layer_colours(len(places)), strict=True):
        step = max(1, len(points) * len(places) // _DRAWN)
        axes.scatter(
            points[::step, 0], points[::step, 1], color=[colour], s=3, alpha=0.35, linewidths=0, rasterized=True
        )


def _follow(axes: Axes, group: np.ndarray) -> None:
    palette = matplotlib.colormaps[_PATHS]
    for number, path in enumerate(group):
        colour = palette(number % palette.N)
        known = path[np.isfinite(path).all(axis=1)]
        axes.plot(*known[:1].T, "o", color=colour, markersize=3.5, markeredgecolor="white", markeredgewidth=0.4)
        for start, end in pairwise(known):
            axes.annotate(
                "",
                end,
                start,
                arrowprops={
                    "arrowstyle": "-|>",
                    "color": colour,
                    "linewidth": 0.9,
                    "shrinkA": 0,
                    "shrinkB": 0,
                    "mutation_scale": 5,
                },
            )
