"""One figure from one painting: on the cortex if there is a mesh, else as strips by ROI."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, Normalize
from matplotlib.figure import Figure

from brainbench.plot.meshes import SIDES, Cortex, cortex
from brainbench.plot.outlines import outline
from brainbench.plot.page import WIDTH, Picture, bare, page, style
from brainbench.plot.surface_painting import VIEWS, flat, inflated, windows
from brainbench.plot.voxels import Voxels

Legend = Callable[[Axes], None]
_TALLEST = 4.2  # inches of the flat maps
_VIEWS_HEIGHT, _LEGEND_WIDTH = 1.05, 1.55  # inches


def painted(
    voxels: Voxels, colours: np.ndarray, legend: Legend, order: np.ndarray, what: str = "", notes: Sequence[str] = ()
) -> Picture:
    """Paint colours [V, 3] on flat maps and inflated views or, without a mesh, strips of voxels sorted by ``order`` [V].

    what: the kind of picture, in the title; notes: small print.
    """
    sheets = cortex(voxels.surface, voxels.sheets)
    with style():
        if sheets is None:
            return _strips(voxels, colours, legend, order, what, notes)
        return _on_cortex(voxels, sheets, colours, legend, what, [*notes, *sheets.notes])


def colour_bar(axes: Axes, palette: Colormap, scale: Normalize, label: str) -> None:
    """Fill ``axes`` with a colour bar."""
    figure = axes.get_figure()
    assert isinstance(figure, Figure)
    figure.colorbar(ScalarMappable(scale, palette), cax=axes, label=label)


def regions_of(voxels: Voxels) -> dict[str, np.ndarray]:
    """Return ROI -> bool [V] for ROIs with a voxel, and all voxels together last."""
    return {name: mask for name, mask in voxels.rois.items() if mask.any()} | {"all": np.ones(voxels.count, bool)}


def _on_cortex(
    voxels: Voxels, sheets: Cortex, colours: np.ndarray, legend: Legend, what: str, notes: Sequence[str]
) -> Picture:
    tall = _flat_height(sheets) if sheets.flat else 0.4
    figure, box = page(voxels, tall + _VIEWS_HEIGHT + 0.35, what, notes)
    height = float(figure.get_figheight())
    views = [(side, view) for view in VIEWS for side in SIDES]
    middle = box["bottom"] + (_VIEWS_HEIGHT + 0.15) / height
    beside = 1 - (_LEGEND_WIDTH / WIDTH if sheets.flat else 0.2)
    if sheets.flat:
        _flat_maps(figure, voxels, sheets, colours, (0.02, beside - 0.02, middle, box["top"] - 0.2 / height))
        corner = figure.add_axes((beside + 0.06, middle + 0.2 * tall / height, 0.13, 0.65 * tall / height))
    else:
        corner = figure.add_axes((beside + 0.07, box["bottom"] + 0.4 / height, 0.1, 1.2 / height))
    legend(corner)
    grid = figure.add_gridspec(
        1,
        len(views),
        left=0.01,
        right=0.99 if sheets.flat else beside,
        bottom=box["bottom"],
        top=box["bottom"] + (_VIEWS_HEIGHT - 0.1) / height,
        wspace=0.04,
    )
    for column, (side, view) in enumerate(views):
        axes = figure.add_subplot(grid[column])
        sheet = sheets.inflated[side]
        inflated(axes, sheet, side, view, sheets.spread(colours, side, sheet))
        axes.set_title(f"{view}, {side}", fontsize=7)
    return figure


def _flat_maps(
    figure: Picture, voxels: Voxels, sheets: Cortex, colours: np.ndarray, place: tuple[float, float, float, float]
) -> None:
    left, right, bottom, top = place
    shown = windows(sheets)
    grid = figure.add_gridspec(1, 2, left=left, right=right, bottom=bottom, top=top, wspace=0.02)
    for column, side in enumerate(SIDES):
        axes, sheet = figure.add_subplot(grid[column]), sheets.flat[side]
        flat(axes, sheet, sheets.spread(colours, side, sheet), shown[side])
        rois = {name: sheets.spread(mask.astype(float), side, sheet) for name, mask in voxels.rois.items()}
        outline(axes, sheet, rois, shown[side])
        axes.set_title(f"{side} hemisphere")


def _flat_height(sheets: Cortex) -> float:
    """Return the height in inches at which the two flat maps fill the width, but at most _TALLEST."""
    width, height = windows(sheets)[SIDES[0]].size
    return min(_TALLEST, (WIDTH - _LEGEND_WIDTH - 0.3) / 2 * height / width)


def _strips(
    voxels: Voxels, colours: np.ndarray, legend: Legend, order: np.ndarray, what: str, notes: Sequence[str]
) -> Picture:
    regions = regions_of(voxels)
    figure, box = page(voxels, 0.35 + 0.34 * max(4, len(regions)), what, notes)
    height = float(figure.get_figheight())
    bottom = box["bottom"] + 0.25 / height
    grid = figure.add_gridspec(len(regions), 1, left=0.14, right=0.76, bottom=bottom, top=box["top"], hspace=0.25)
    for row, (name, mask) in enumerate(regions.items()):
        axes = figure.add_subplot(grid[row])
        rows = np.flatnonzero(mask)[np.argsort(order[mask], kind="stable")]
        axes.imshow(colours[rows][None], aspect="auto", interpolation="nearest", extent=(0, 1, 0, 1))
        bare(axes)
        axes.set_yticks([0.5], [f"{name} ({len(rows)})"])
        axes.tick_params(length=0)
    axes.set_xlabel("voxels, sorted by what is shown")
    legend(figure.add_axes((0.86, bottom + 0.1 * (box["top"] - bottom), 0.12, 0.8 * (box["top"] - bottom))))
    return figure
