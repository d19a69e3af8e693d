"""The pictures of a fit: units of an ROI on images, layers by ROIs, layers on the cortex."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from brainbench.plot import Caption, Picture, activation_table, shaded_layer_map
from brainbench_sae.fits import Fit
from brainbench_sae.tables import LayerTable
from brainbench_sae.units import Unit, overlays

_INCH, _WIDTH, _GAP = 0.85, 7.2, 0.32  # inches of an image, of the page, above a line of images
_SIMULATED = "Simulated brain: this shows that the tool works, not which model is brain-like."


def draw_units(fit: Fit, units: Sequence[Unit], roi: str) -> Picture:
    """Draw a line per unit: its top images, bright where it is active."""
    across = len(units[0].rows)
    side = min(_INCH, (_WIDTH - 0.2) / across)
    height = 0.45 + len(units) * (side + _GAP)
    picture = Picture(figsize=(_WIDTH, height))
    picture.text(0.02, 1 - 0.08 / height, f"{fit.voxels.title}: units of {roi}", fontsize=10, weight="bold", va="top")
    if fit.voxels.simulated:
        picture.text(0.02, 1 - 0.28 / height, _SIMULATED, fontsize=6.5, color="0.35", va="top")
    for line, unit in enumerate(units):
        top = 1 - (0.45 + line * (side + _GAP)) / height
        picture.text(0.02, top - 0.05 / height, str(unit), fontsize=7, va="top")
        for column, pixels in enumerate(overlays(fit, unit)):
            place = (
                (0.14 + column * side) / _WIDTH,
                top - (_GAP - 0.1 + side) / height,
                0.96 * side / _WIDTH,
                0.96 * side / height,
            )
            axes = picture.add_axes(place)
            axes.imshow(pixels, aspect="auto")
            axes.set_axis_off()
    return picture


def draw_table(fit: Fit, table: LayerTable) -> Picture:
    """Draw how many units of each layer are most similar to a voxel of each ROI."""
    title = "units per voxel"
    note = "A unit belongs to the voxel that it is most similar to."
    caption = Caption(fit.voxels.title, fit.voxels.simulated, (note,))
    return activation_table(
        {title: table.density}, table.layers, table.rois, caption, "density of units", spread=[title]
    )


def draw_map(fit: Fit) -> Picture:
    """Draw the layer of each voxel's unit as hue, and the similarity as brightness: on test images, if it was scored there."""
    similarity = fit.fitted.dictionary.similarity if fit.test is None else fit.test
    known = np.nan_to_num(np.asarray(similarity, np.float64))
    top = max(float(np.quantile(known, 0.99)), 0.01)
    where = "the images of the choice" if fit.test is None else "test images"
    note = f"Brightness: correlation of voxel and unit over {where}, up to {top:.2f}."
    return shaded_layer_map(fit.voxels, known / top, "similarity", [note])
