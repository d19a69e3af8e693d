"""The space selector: voxels in image coordinates."""

from __future__ import annotations

from brainbench.plot.colours import layer_paint
from brainbench.plot.cortex_figure import regions_of
from brainbench.plot.maps import layer_legend, layer_weights
from brainbench.plot.page import WIDTH, Picture, page, style
from brainbench.plot.voxels import Source, voxels_of

_COLUMNS = 5


def space_map(record: Source) -> Picture:
    """Plot the locations in the image that voxels read, coloured as in the layer map (Figure 3, below right), for each ROI.

    A frame is the image; record: as in ``layer_map``.
    """
    voxels = voxels_of(record)
    space = voxels.need("space")
    weights, confidence = layer_weights(voxels)
    colours, regions = layer_paint(weights, confidence), regions_of(voxels)
    lines = -(-len(regions) // _COLUMNS)
    right = 0.83
    with style():
        panel = WIDTH * right / _COLUMNS
        figure, box = page(voxels, (panel + 0.12) * lines + 0.2, "where in the image voxels look")
        top = box["top"] - 0.2 / float(figure.get_figheight())
        grid = figure.add_gridspec(
            lines,
            _COLUMNS,
            left=0.015,
            right=right,
            bottom=box["bottom"],
            top=top,
            wspace=0.08,
            hspace=0.25 if lines > 1 else 0,
        )
        for number, (name, mask) in enumerate(regions.items()):
            axes = figure.add_subplot(grid[divmod(number, _COLUMNS)])
            axes.axhline(0, color="0.85", linewidth=0.5, zorder=0)
            axes.axvline(0, color="0.85", linewidth=0.5, zorder=0)
            axes.scatter(space[mask, 0], space[mask, 1], c=colours[mask], s=5, linewidths=0, rasterized=True)
            axes.set(xlim=(-1.03, 1.03), ylim=(1.03, -1.03), xticks=[], yticks=[], aspect="equal", anchor="N")
            axes.set_title(f"{name} ({int(mask.sum())})", pad=3)
            for spine in axes.spines.values():
                spine.set(visible=True, color="0.6")
        tall = min(0.7 * (top - box["bottom"]), 2.4 / float(figure.get_figheight()))
        layer_legend(figure.add_axes((0.9, top - tall, 0.085, tall)), voxels.layers)
    return figure
