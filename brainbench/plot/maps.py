"""The maps: which layer, which scale, which place, how well, and every layer's weight."""

from __future__ import annotations

from collections.abc import Callable

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, Normalize
from matplotlib.figure import Figure

from brainbench.layers import layer_confidence, layer_place
from brainbench.plot.colours import brightness, layer_colours, layer_paint
from brainbench.plot.figures import WIDTH, painted, regions_of, style
from brainbench.plot.meshes import SIDES, paintable
from brainbench.plot.painting import flat
from brainbench.plot.voxels import Source, Voxels, voxels_of


def layer_map(record: Source) -> Figure:
    """Hue: the layer with the largest weight; brightness: confidence (section 3.2, Figure 5).

    record: the path of a record's JSON file, or the ``Voxels`` read from one.
    """
    voxels = voxels_of(record)
    weights, confidence = _weights(voxels)

    def legend(axes: Axes) -> None:
        shades = brightness(np.linspace(0, 1, 32))
        # Layers upwards, confidence to the right.
        axes.imshow(
            layer_colours(weights.shape[1])[:, None] * shades[None, :, None],
            origin="lower",
            aspect="auto",
            extent=(0, 1, 0.5, weights.shape[1] + 0.5),
        )
        ticks = np.unique(np.linspace(1, weights.shape[1], min(weights.shape[1], 12)).round().astype(int))
        axes.set_yticks(ticks, [voxels.layers[tick - 1] if len(voxels.layers) <= 6 else str(tick) for tick in ticks])
        axes.set_xticks([0, 1])
        axes.set_xlabel("confidence")
        axes.set_ylabel("layer")

    order = weights.argmax(axis=1) + layer_place(weights) / 10 if weights.shape[1] > 1 else confidence
    return painted(voxels, layer_paint(weights, confidence), legend, order)


def scale_map(record: Source) -> Figure:
    """The scale selector: 0 local tokens alone, 1 the global token alone."""
    voxels = voxels_of(record)
    return _scalar(voxels, voxels.need("scale"), "cividis", (0.0, 1.0), "scale\n0 local, 1 global")


def r2_map(record: Source) -> Figure:
    """R2 on the test split, voxel by voxel; below 0 is shown as 0."""
    voxels = voxels_of(record)
    values = voxels.need("r2")
    # Infinite where a voxel does not vary over the test split.
    top = float(np.quantile(values[np.isfinite(values)], 0.99)) if np.isfinite(values).any() else 1.0
    return _scalar(voxels, np.nan_to_num(values, nan=0.0), "magma", (0.0, max(top, 0.01)), "R2 on test images")


def weights_map(record: Source) -> Figure:
    """Every layer's own weight in a map of its own (Figures 13 to 15); in a table of ROI means where there is no mesh."""
    voxels = voxels_of(record)
    weights, _ = _weights(voxels)
    with style():
        return _weight_panels(voxels, weights) if paintable(voxels.surface) else _weight_table(voxels, weights)


def space_map(record: Source) -> Figure:
    """Where in the image voxels look, coloured as in the layer map (Figure 3, below right), ROI by ROI."""
    voxels = voxels_of(record)
    space = voxels.need("space")
    weights, confidence = _weights(voxels)
    colours, regions = layer_paint(weights, confidence), regions_of(voxels)
    columns = min(5, len(regions))
    lines = -(-len(regions) // columns)
    with style():
        figure = Figure(figsize=(WIDTH, 0.7 + 1.55 * lines), layout="constrained")
        grid = figure.subplots(lines, columns, squeeze=False)
        for axes in grid.flat:
            axes.set_axis_off()
        for axes, (name, mask) in zip(grid.flat, regions.items(), strict=False):
            axes.set_axis_on()
            axes.scatter(space[mask, 0], space[mask, 1], c=colours[mask], s=4, linewidths=0, rasterized=True)
            axes.set(xlim=(-1.03, 1.03), ylim=(1.03, -1.03), xticks=[], yticks=[], aspect="equal")
            axes.set_title(f"{name} ({int(mask.sum())})", fontsize=8)
            for spine in axes.spines.values():
                spine.set(visible=True, color="0.6")
        figure.suptitle(f"{voxels.title}: where in the image", fontsize=10, weight="bold", x=0.02, ha="left")
    return figure


MAPS: dict[str, Callable[[Source], Figure]] = {
    "layers": layer_map,
    "scale": scale_map,
    "space": space_map,
    "r2": r2_map,
    "weights": weights_map,
}


def _weights(voxels: Voxels) -> tuple[np.ndarray, np.ndarray]:
    """Layer weights [V, L], and the confidence [V], 1 where there is a single layer."""
    weights = voxels.need("layer")
    return weights, layer_confidence(weights) if weights.shape[1] > 1 else np.ones(len(weights))


def _scalar(voxels: Voxels, values: np.ndarray, name: str, limits: tuple[float, float], label: str) -> Figure:
    palette, scale = matplotlib.colormaps[name], Normalize(*limits, clip=True)

    def legend(axes: Axes) -> None:
        axes.set_axis_off()
        _bar(axes.inset_axes((0.2, 0, 0.25, 1)), palette, scale, label)

    return painted(voxels, palette(scale(values))[:, :3], legend, values)


def _bar(axes: Axes, palette: Colormap, scale: Normalize, label: str) -> None:
    figure = axes.get_figure()
    assert isinstance(figure, Figure)
    figure.colorbar(ScalarMappable(scale, palette), cax=axes, label=label)


def _weight_panels(voxels: Voxels, weights: np.ndarray) -> Figure:
    assert voxels.surface is not None
    count = weights.shape[1]
    columns = min(4, count)
    lines = -(-count // columns)
    palette, scale = matplotlib.colormaps["magma"], Normalize(0, float(weights.max()), clip=True)
    figure = Figure(figsize=(WIDTH, 0.6 + 1.7 * lines))
    grid = figure.add_gridspec(lines, columns, left=0.01, right=0.9, bottom=0.02, top=0.88, wspace=0.08, hspace=0.25)
    for number in range(count):
        cell = grid[number // columns, number % columns].subgridspec(1, 2, wspace=0)
        for column, side in enumerate(SIDES):
            axes = figure.add_subplot(cell[column])
            flat(axes, side, palette(scale(weights[:, number]))[:, :3], voxels.surface, {})
            if column == 0:
                axes.set_title(f"{number + 1}: {voxels.layers[number]}", fontsize=7, loc="left")
    _bar(figure.add_axes((0.92, 0.2, 0.015, 0.5)), palette, scale, "layer weight")
    figure.suptitle(voxels.title, fontsize=10, x=0.02, ha="left", weight="bold")
    return figure


def _weight_table(voxels: Voxels, weights: np.ndarray) -> Figure:
    regions = regions_of(voxels)
    means = np.stack([weights[mask].mean(axis=0) for mask in regions.values()])
    figure = Figure(figsize=(WIDTH, 1.2 + 0.3 * len(regions)), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(means, cmap="magma", vmin=0, aspect="auto")
    axes.set_yticks(range(len(regions)), [f"{name} ({int(mask.sum())})" for name, mask in regions.items()])
    axes.set_xticks(range(len(voxels.layers)), [str(i + 1) for i in range(len(voxels.layers))])
    axes.set_xlabel("layer")
    figure.colorbar(image, ax=axes, label="mean weight")
    axes.set_title(voxels.title, loc="left", weight="bold")
    return figure
