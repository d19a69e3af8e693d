"""Maps with one number per voxel: which layer, which scale, how well."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize

from brainbench.leaderboard.displays import display
from brainbench.metrics.layer_profile import layer_confidence, layer_place
from brainbench.plot.colours import brightness, layer_colours, layer_paint
from brainbench.plot.cortex_figure import colour_bar, painted
from brainbench.plot.page import Picture, bare
from brainbench.plot.voxels import Source, Voxels, voxels_of
from brainbench.records import MetricResult

_TICK = 0.15  # inches of a tick's label
_NAMED = 6  # more layers are numbered, not named, next to a colour bar


def layer_map(record: Source) -> Picture:
    """Plot the layer map. Hue: the layer with the largest weight; brightness: confidence (section 3.2, Figure 5).

    record: the path of a record's JSON file, a row of the frame that ``brainbench.run`` returns, or ``Voxels``. Returns a
    matplotlib figure. Raises UsageError if the encoder has no layer selector.
    """
    voxels = voxels_of(record)
    weights, confidence = layer_weights(voxels)
    return _layers(voxels, weights, confidence, "confidence", trust_notes(voxels))


def shaded_layer_map(record: Source, shade: np.ndarray, label: str, notes: Sequence[str] = ()) -> Picture:
    """Plot the layer with the largest weight as hue, and another number of each voxel as brightness.

    record: as in ``layer_map``; shade: [V] from 0, dark, to 1, bright; label: what it is; notes: small print, one sentence
    each. Raises UsageError if the encoder has no layer selector.
    """
    voxels = voxels_of(record)
    weights, _ = layer_weights(voxels)
    return _layers(voxels, weights, np.clip(shade, 0, 1), label, notes)


def scale_map(record: Source) -> Picture:
    """Plot the scale selector: 0 local tokens alone, 1 the global token alone."""
    voxels = voxels_of(record)
    return scalar_map(voxels, voxels.need("scale"), "cividis", Normalize(0, 1, clip=True), "0 local, 1 global", "scale")


def r2_map(record: Source) -> Picture:
    """Plot R2 on the test split for each voxel. Values below 0, and voxels whose responses do not vary, are shown as 0."""
    voxels = voxels_of(record)
    values = np.asarray(voxels.need("r2"), np.float64)
    top = float(np.quantile(values[np.isfinite(values)], 0.99)) if np.isfinite(values).any() else 1.0
    scale = Normalize(0, max(top, 0.01), clip=True)
    return scalar_map(voxels, np.where(np.isfinite(values), values, 0), "magma", scale, "R2 on test images", "R2")


def scalar_map(
    voxels: Voxels,
    values: np.ndarray,
    palette: str,
    scale: Normalize,
    label: str,
    what: str,
    notes: Sequence[str] = (),
) -> Picture:
    """Paint values [V] with a colour map of matplotlib; label: of the colour bar; what, notes: as in ``painted``."""
    colours = matplotlib.colormaps[palette]

    def legend(axes: Axes) -> None:
        bare(axes)
        colour_bar(axes.inset_axes((0.0, 0, 0.3, 1)), colours, scale, label)

    return painted(voxels, colours(scale(values))[:, :3], legend, values, what, notes)


def _layers(voxels: Voxels, weights: np.ndarray, shade: np.ndarray, label: str, notes: Sequence[str]) -> Picture:
    def legend(axes: Axes) -> None:
        layer_legend(axes, voxels.layers, label)

    order = weights.argmax(axis=1) + layer_place(weights) / 10 if weights.shape[1] > 1 else shade
    return painted(voxels, layer_paint(weights, shade), legend, order, "layers", notes)


def layer_weights(voxels: Voxels) -> tuple[np.ndarray, np.ndarray]:
    """Return layer weights [V, L], and the confidence [V], 1 if there is a single layer."""
    weights = voxels.need("layer")
    return weights, layer_confidence(weights) if weights.shape[1] > 1 else np.ones(len(weights))


def layer_legend(axes: Axes, layers: tuple[str, ...], label: str = "confidence") -> None:
    """Draw the two-dimensional colour bar: layers upwards, brightness to the right."""
    count = len(layers)
    shades = brightness(np.linspace(0, 1, 32))
    axes.imshow(
        layer_colours(count)[:, None] * shades[None, :, None],
        origin="lower",
        aspect="auto",
        extent=(0, 1, 0.5, count + 0.5),
        interpolation="nearest",
    )
    room = axes.get_window_extent().height / axes.figure.dpi / _TICK
    ticks = np.unique(np.linspace(1, count, min(count, 12, max(2, int(room)))).round().astype(int))
    axes.set_yticks(ticks, [layers[tick - 1] if count <= _NAMED else str(tick) for tick in ticks])
    axes.set_xticks([0, 1])
    axes.set_xlabel(label)
    axes.set_ylabel("" if count <= _NAMED else "layer")


def trust_notes(voxels: Voxels) -> list[str]:
    """Return the remarks of the metrics that judge layer maps, each once."""
    said = [(name, note) for name, result in judgements(voxels) for note in result.notes]
    return list(dict.fromkeys(f"{name.capitalize()}: {note}." for name, note in said))


def judgements(voxels: Voxels) -> list[tuple[str, MetricResult]]:
    """Return the metrics of these records that judge layer maps (``MetricCard.caveat``), by name."""
    found = [item for record in voxels.records for item in record.metrics.items()]
    return [(name, result) for name, result in found if display(name, result).caveat]
