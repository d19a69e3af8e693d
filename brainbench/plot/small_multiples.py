"""Several backbones side by side on the same voxels: the comparison that the paper makes (Figures 5 and 6)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize

from brainbench.errors import UsageError
from brainbench.plot.colours import layer_colours, layer_paint
from brainbench.plot.cortex_figure import colour_bar
from brainbench.plot.difference_maps import same_place
from brainbench.plot.maps import layer_weights
from brainbench.plot.meshes import Cortex, cortex
from brainbench.plot.page import Picture, bare, style
from brainbench.plot.panels import panels
from brainbench.plot.voxels import Source, Voxels, voxels_of

_COLUMNS = 4
_SHADES = 256


def layer_maps(records: Sequence[Source]) -> Picture:
    """Plot one small layer map per backbone, as ``layer_map`` does. Hues go from each one's first layer to its last.

    records: as in ``layer_map``, all with the same voxels. Raises UsageError if the voxels differ, or are on no mesh.
    """
    several, sheets = _on_one_mesh(records)
    with style():
        figure, bar = _drawn(several, sheets, [layer_paint(*layer_weights(voxels)) for voxels in several], "layers")
        bar.imshow(layer_colours(_SHADES)[:, None], origin="lower", aspect="auto", interpolation="nearest")
        _ends(bar, "first", "last", "layer of the largest weight; dark: undecided")
    return figure


def r2_maps(records: Sequence[Source]) -> Picture:
    """Plot one small map of R2 on the test split per backbone, on one colour scale. records, errors: as in ``layer_maps``."""
    several, sheets = _on_one_mesh(records)
    values = [np.nan_to_num(np.asarray(voxels.need("r2"), np.float64)) for voxels in several]
    palette = matplotlib.colormaps["magma"]
    scale = Normalize(0, max(float(np.quantile(np.concatenate(values), 0.99)), 0.01), clip=True)
    with style():
        figure, bar = _drawn(several, sheets, [palette(scale(one))[:, :3] for one in values], "R2")
        colour_bar(bar, palette, scale, "R2 on test images")
    return figure


def _on_one_mesh(records: Sequence[Source]) -> tuple[list[Voxels], Cortex]:
    several = [voxels_of(record) for record in records]
    if not several:
        raise UsageError("no backbones to draw side by side: give at least one record")
    for other in several[1:]:
        same_place(several[0], other)
    sheets = cortex(several[0].surface, several[0].sheets)
    if sheets is None:
        raise UsageError(f"{several[0].title}: no mesh to draw small maps on; draw one backbone at a time")
    return several, sheets


def _drawn(
    several: Sequence[Voxels], sheets: Cortex, paintings: Sequence[np.ndarray], what: str
) -> tuple[Picture, Axes]:
    names = [voxels.title.partition(",")[0] for voxels in several]
    whose = {voxels.title.partition(",")[2].strip() for voxels in several}
    title = f"{len(several)} backbones, {' / '.join(sorted(whose))}"
    whole = replace(several[0], title=title, records=tuple(r for voxels in several for r in voxels.records))
    return panels(whole, sheets, paintings, names, min(_COLUMNS, len(several)), what)


def _ends(bar: Axes, low: str, high: str, label: str) -> None:
    bare(bar)
    bar.yaxis.tick_right()
    bar.yaxis.set_label_position("right")
    bar.set_yticks([0, _SHADES - 1], [low, high])
    bar.set_ylabel(label)
