"""Small maps side by side on one mesh, one per layer or network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes

from brainbench.plot.meshes import SIDES, Cortex
from brainbench.plot.page import WIDTH, Picture, page
from brainbench.plot.surface_painting import VIEWS, Window, flat, inflated, windows
from brainbench.plot.voxels import Voxels

_BAR = 0.1  # of the width


def panels(
    voxels: Voxels,
    sheets: Cortex,
    paintings: Sequence[np.ndarray],
    names: Sequence[str],
    columns: int,
    what: str,
    notes: Sequence[str] = (),
) -> tuple[Picture, Axes]:
    """Paint colours [V, 3] of the same voxels, one small map each, with its name. Returns (picture, axes for a colour bar).

    columns: maps per line; what, notes: as in ``page``.
    """
    lines = -(-len(paintings) // columns)
    shown = windows(sheets) if sheets.flat else {}
    width = WIDTH * (1 - _BAR - 0.02) / max(columns, 3)
    panel = width * _aspect(shown) + 0.2
    figure, box = page(voxels, lines * panel, what, [*notes, *sheets.notes])
    high = box["top"] - box["bottom"]
    for number, (colours, name) in enumerate(zip(paintings, names, strict=True)):
        row, column = divmod(number, columns)
        for half, side in enumerate(SIDES):
            left = 0.01 + (column + half / 2) * width / WIDTH
            place = (
                left,
                box["top"] - (row + 1) * high / lines,
                0.48 * width / WIDTH,
                high / lines * (1 - 0.2 / panel),
            )
            _paint(figure.add_axes(place), sheets, side, shown, colours)
        figure.text(
            0.01 + (column + 0.48) * width / WIDTH,
            box["top"] - row * high / lines - 0.13 * high / lines / panel,
            name,
            fontsize=6.5,
            ha="center",
        )
    tall = min(0.8 * high, 2.5 / float(figure.get_figheight()))
    return figure, figure.add_axes((1 - _BAR + 0.005, box["bottom"] + (high - tall) / 2, 0.015, tall))


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
