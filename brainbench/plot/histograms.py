"""The distribution of selectors within each ROI."""

from __future__ import annotations

import numpy as np

from brainbench.metrics.layer_profile import layer_place
from brainbench.plot.cortex_figure import regions_of
from brainbench.plot.maps import layer_weights
from brainbench.plot.page import Picture, page, style
from brainbench.plot.voxels import Source, Voxels, voxels_of

_BINS = 40


def selector_histograms(record: Source) -> Picture:
    """Plot confidence, scale and layer place, all 0 ..

    1, for each ROI; the line is the median. record: as in ``layer_map``.
    """
    voxels = voxels_of(record)
    columns, regions = _columns(voxels), regions_of(voxels)
    with style():
        figure, box = page(voxels, 0.55 + 0.32 * max(3, len(regions)), "selectors by ROI")
        height = float(figure.get_figheight())
        low, top = box["bottom"] + 0.3 / height, box["top"] - 0.15 / height
        grid = figure.add_gridspec(len(regions), len(columns), left=0.14, right=0.98, bottom=low, top=top, wspace=0.08)
        for column, (name, values) in enumerate(columns.items()):
            for row, (region, mask) in enumerate(regions.items()):
                axes = figure.add_subplot(grid[row, column])
                axes.hist(values[mask], bins=_BINS, range=(0, 1), color="#5b8db8", histtype="stepfilled", linewidth=0)
                axes.axvline(float(np.median(values[mask])), color="black", linewidth=0.8)
                axes.set(xlim=(0, 1), yticks=[])
                axes.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
                axes.spines["left"].set_visible(False)
                axes.tick_params(labelbottom=row == len(regions) - 1, length=2)
                if column == 0:
                    axes.set_ylabel(f"{region} ({int(mask.sum())})", rotation=0, ha="right", va="center")
                if row == 0:
                    axes.set_title(name)
    return figure


def _columns(voxels: Voxels) -> dict[str, np.ndarray]:
    """Return those of the three that exist, name -> [V]."""
    weights, confidence = layer_weights(voxels)
    found = {} if voxels.scale is None else {"scale: 0 local, 1 global": np.asarray(voxels.scale, np.float64)}
    if weights.shape[1] == 1:
        return found or {"confidence": confidence}
    return {"confidence": confidence, **found, "layer place: 0 first, 1 last": layer_place(weights)}
