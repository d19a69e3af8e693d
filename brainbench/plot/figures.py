"""One figure from one painting: on the cortex where there is a mesh, as strips by ROI where there is none."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from brainbench.errors import StoreError, UsageError
from brainbench.plot.meshes import SIDES, paintable
from brainbench.plot.painting import flat, inflated
from brainbench.plot.voxels import Voxels

FORMATS = (".pdf", ".png", ".svg")
WIDTH = 7.2  # inches: two columns of most journals
_SIMULATED = "Simulated brain: this shows that the tool works, not which model is brain-like."
# Text stays text, and the same figure is the same file.
_STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 8,
    "axes.titlesize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "pdf.fonttype": 42,
    "svg.fonttype": "none",
    "svg.hashsalt": "brainbench",
}


@contextmanager
def style() -> Iterator[None]:
    """Fonts and sizes for print; everything that draws is drawn inside."""
    with matplotlib.rc_context(_STYLE):
        yield


def save(figure: Figure, path: Path) -> None:
    """Write a figure as pdf, png or svg, by its ending; the same figure gives the same bytes. UsageError for another ending."""
    if path.suffix not in FORMATS:
        raise UsageError(f"--out {path}: allowed endings are {', '.join(FORMATS)}")
    dates: Mapping[str, Mapping[str, None]] = {".pdf": {"CreationDate": None}, ".svg": {"Date": None}, ".png": {}}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with style():
            figure.savefig(path, dpi=200, metadata=dict(dates[path.suffix]), facecolor="white")
    except OSError as problem:
        raise StoreError(f"cannot write {path} ({problem.strerror}): choose another folder") from problem


def painted(voxels: Voxels, colours: np.ndarray, legend: Callable[[Axes], None], order: np.ndarray) -> Figure:
    """Colours [V, 3] on flat maps and inflated views; strips where there is no mesh, voxels sorted by ``order`` [V]."""
    with style():
        return (
            _on_cortex(voxels, colours, legend)
            if paintable(voxels.surface)
            else _strips(voxels, colours, legend, order)
        )


def _on_cortex(voxels: Voxels, colours: np.ndarray, legend: Callable[[Axes], None]) -> Figure:
    assert voxels.surface is not None
    figure = Figure(figsize=(WIDTH, 5.2))
    rows = figure.add_gridspec(2, 1, height_ratios=(2.3, 1), left=0.01, right=0.99, bottom=0.03, top=0.91, hspace=0.02)
    top = rows[0].subgridspec(1, 3, width_ratios=(1, 1, 0.62), wspace=0.02)
    for column, side in enumerate(SIDES):
        axes = figure.add_subplot(top[column])
        flat(axes, side, colours, voxels.surface, voxels.rois)
        axes.set_title(f"{side} hemisphere", fontsize=8)
    corner = figure.add_subplot(top[2])
    corner.set_axis_off()
    legend(corner.inset_axes((0.3, 0.15, 0.68, 0.66)))
    views = [(side, view) for view in ("lateral", "medial", "ventral") for side in SIDES]
    bottom = rows[1].subgridspec(1, len(views), wspace=0.02)
    for column, (side, view) in enumerate(views):
        axes = figure.add_subplot(bottom[column])
        inflated(axes, side, view, colours, voxels.surface)
        axes.set_title(f"{view}, {side}", fontsize=7)
    _titles(figure, voxels)
    return figure


def _strips(voxels: Voxels, colours: np.ndarray, legend: Callable[[Axes], None], order: np.ndarray) -> Figure:
    regions = regions_of(voxels)
    figure = Figure(figsize=(WIDTH, 1.6 + 0.34 * max(4, len(regions))))
    grid = figure.add_gridspec(1, 2, width_ratios=(1, 0.34), left=0.12, right=0.97, bottom=0.14, top=0.86, wspace=0.1)
    parts = grid[0].subgridspec(len(regions), 1, hspace=0.25)
    for row, (name, mask) in enumerate(regions.items()):
        axes = figure.add_subplot(parts[row])
        rows = np.flatnonzero(mask)[np.argsort(order[mask], kind="stable")]
        axes.imshow(colours[rows][None], aspect="auto", interpolation="nearest", extent=(0, 1, 0, 1))
        axes.set_yticks([0.5], [f"{name} ({len(rows)})"])
        axes.tick_params(length=0)
        axes.set_xticks([])
        for spine in axes.spines.values():
            spine.set_visible(False)
    axes.set_xlabel("voxels, sorted by what is shown")
    corner = figure.add_subplot(grid[1])
    corner.set_axis_off()
    legend(corner.inset_axes((0.35, 0.1, 0.65, 0.8)))
    _titles(figure, voxels)
    return figure


def regions_of(voxels: Voxels) -> dict[str, np.ndarray]:
    """ROI -> bool [V], those with a voxel, and all voxels together last."""
    return {name: mask for name, mask in voxels.rois.items() if mask.any()} | {"all": np.ones(voxels.count, bool)}


def _titles(figure: Figure, voxels: Voxels) -> None:
    figure.suptitle(voxels.title, fontsize=10, x=0.02, ha="left", weight="bold")
    if voxels.simulated:
        figure.text(0.02, 0.01, _SIMULATED, fontsize=6.5, color="0.35", ha="left")
