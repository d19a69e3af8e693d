"""Visual concepts: how much they activate the brain, and how tokens move between them (AlignedCut, Figures 6, 8, 10, 16)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, Normalize
from matplotlib.patches import Rectangle

from brainbench.errors import UsageError
from brainbench.plot.cortex_figure import colour_bar
from brainbench.plot.page import WIDTH, Caption, Picture, page, style

_COLUMNS = 3


def activation_table(
    tables: Mapping[str, np.ndarray],
    rows: Sequence[str],
    rois: Sequence[str],
    caption: Caption,
    what: str = "",
    *,
    swatches: np.ndarray | None = None,
    spread: Sequence[str] = (),
) -> Picture:
    """Plot tables side by side, with one row per concept or layer and one column per ROI: activation in the brain's space.

    tables: title -> [rows, R]; spread: titles of those that are standard deviations, drawn from 0 on another scale than the
    means; swatches: uint8 [rows, 3], colour next to each row. NaN is grey. Raises UsageError if there is nothing to draw.
    """
    if not tables or not all(table.shape == (len(rows), len(rois)) and table.size for table in tables.values()):
        shapes = [list(table.shape) for table in tables.values()]
        raise UsageError(
            f"tables of shape {shapes or 'none'}: give [{len(rows)}, {len(rois)}], a row and a ROI at least"
        )
    means = [np.abs(table) for name, table in tables.items() if name not in spread]
    spreads = [table for name, table in tables.items() if name in spread]
    names = 0.15 + 0.066 * max(map(len, rows)) + (0.18 if swatches is not None else 0.0)
    each = (WIDTH - names - 0.1) / len(tables)
    width = min(each - 0.62, 0.42 * len(rois))
    deep = 0.2 * len(rows)
    with style():
        figure, box = page(caption, deep + 0.3 + 0.06 * max(map(len, rois)), what)
        tall = float(figure.get_figheight())
        low = box["top"] - (deep + 0.2) / tall
        for number, (name, table) in enumerate(tables.items()):
            palette, scale = (
                (matplotlib.colormaps["magma"], Normalize(0, _largest(spreads)))
                if name in spread
                else (matplotlib.colormaps["RdBu_r"], Normalize(-_largest(means), _largest(means)))
            )
            left = names + 0.05 + number * each
            axes = figure.add_axes((left / WIDTH, low, width / WIDTH, deep / tall))
            _table(axes, table, palette, scale)
            axes.set_xticks(range(len(rois)), rois, rotation=90 if max(map(len, rois)) > 3 else 0)
            axes.set_yticks(range(len(rows)), rows if number == 0 else [])
            axes.tick_params(axis="y", length=0)
            axes.set_title(name)
            if swatches is not None and number == 0:
                axes.tick_params(axis="y", pad=12)
                for row, colour in enumerate(swatches):
                    corner = (-0.14 / width, 1 - (row + 0.85) / len(rows))
                    axes.add_patch(
                        Rectangle(
                            corner,
                            0.11 / width,
                            0.7 / len(rows),
                            transform=axes.transAxes,
                            clip_on=False,
                            color=colour / 255,
                        )
                    )
            high = min(deep, 2.0)
            bar = figure.add_axes(
                ((left + width + 0.05) / WIDTH, low + (deep - high) / tall, 0.07 / WIDTH, high / tall)
            )
            colour_bar(bar, palette, scale, "")
    return figure


def transition_matrices(
    tables: Mapping[str, np.ndarray],
    caption: Caption,
    what: str = "",
    *,
    before: str = "",
    after: str = "",
    swatches: tuple[np.ndarray, np.ndarray] | None = None,
) -> Picture:
    """Plot the probability that a token of the row's concept has the column's concept a layer later (Figure 10).

    The tables are side by side. tables: kind of tokens, e.g. ``foreground`` -> [k, m]; before, after: names of the layers;
    swatches: colours of the concepts, uint8 [k, 3] and [m, 3]. NaN, for a row without tokens, is grey. Raises UsageError if
    there is nothing to draw.
    """
    if not tables or not all(table.ndim == 2 and table.size for table in tables.values()):
        raise UsageError("no transitions: give one table [k, m] at least")
    columns = min(_COLUMNS, len(tables))
    lines = -(-len(tables) // columns)
    side = min((WIDTH - 0.3) / columns - 0.4, 1.9)
    palette, scale = matplotlib.colormaps["Blues"], Normalize(0, 1)
    with style():
        figure, box = page(caption, lines * (side + 0.65), what)
        tall = float(figure.get_figheight())
        for number, (name, table) in enumerate(tables.items()):
            row, column = divmod(number, columns)
            left = 0.5 + column * (side + 0.42)
            low = box["top"] - ((row + 1) * (side + 0.65) - 0.42) / tall
            axes = figure.add_axes((left / WIDTH, low, side / WIDTH, side / tall))
            _table(axes, table, palette, scale)
            axes.set_xticks(range(table.shape[1]), [f"B{i}" for i in range(table.shape[1])])
            axes.set_yticks(range(table.shape[0]), [f"A{i}" for i in range(table.shape[0])])
            axes.tick_params(length=0)
            axes.set_title(name)
            axes.set_xlabel(after)
            if column == 0:
                axes.set_ylabel(before)
            if max(table.shape) <= 8:
                for (i, j), value in np.ndenumerate(table):
                    if np.isfinite(value):
                        axes.text(
                            j,
                            i,
                            f"{value:.2f}",
                            ha="center",
                            va="center",
                            fontsize=6.5,
                            color="white" if value > 0.55 else "0.15",
                        )
            if swatches is not None:
                for label, colour in zip(
                    [*axes.get_yticklabels(), *axes.get_xticklabels()], [*swatches[0], *swatches[1]], strict=False
                ):
                    label.set_bbox({"facecolor": colour / 255, "edgecolor": "none", "pad": 1.2})
                    label.set_color("white" if colour @ (0.299, 0.587, 0.114) < 128 else "black")
    return figure


def _table(axes: Axes, table: np.ndarray, palette: Colormap, scale: Normalize) -> None:
    axes.set_facecolor("0.85")
    axes.imshow(np.ma.masked_invalid(table), cmap=palette, norm=scale, aspect="auto", interpolation="nearest")
    for spine in axes.spines.values():
        spine.set_visible(False)


def _largest(tables: Sequence[np.ndarray]) -> float:
    """Return the common limit of all values; 1 if all are zero or there are none."""
    largest = max((float(np.nanmax(table)) for table in tables if np.isfinite(table).any()), default=0.0)
    return largest or 1.0
