"""What was planted is what is painted: early ROIs in the colours of early layers, and all alike on the control."""

from __future__ import annotations

import numpy as np
import pytest
from cortices import planted

from brainbench.plot import layer_colours, layer_map
from brainbench.plot.meshes import SIDES, cortex
from brainbench.plot.surface_painting import windows

LAYERS = 6


def hues(*, flat: bool) -> dict[str, float]:
    """ROI -> mean layer, 0 first .. 5 last, whose hue is nearest to the pixels painted in the ROI on the flat maps."""
    voxels = planted(LAYERS, flat=flat)
    sheets = cortex(voxels.surface, None)
    assert sheets is not None
    found: dict[str, list[float]] = {name: [] for name in voxels.rois}
    figure = layer_map(voxels)
    for side in SIDES:
        axes = next(axes for axes in figure.axes if axes.get_title() == f"{side} hemisphere")
        image = np.asarray(axes.images[0].get_array())
        window, sheet = windows(sheets)[side], sheets.flat[side]
        for name, mask in voxels.rois.items():
            inside = np.flatnonzero(np.nan_to_num(sheets.spread(mask.astype(float), side, sheet)) > 0)
            places = (sheet.points[np.intersect1d(inside, sheet.faces)] - window.low) / window.size
            places = places[((places > 0) & (places < 1)).all(axis=1)]
            columns, rows = (places * (image.shape[1], image.shape[0])).astype(int).T
            found[name] += list(nearest(image[rows, columns, :3]))
    return {name: float(np.mean(values)) for name, values in found.items()}


def nearest(colours: np.ndarray) -> np.ndarray:
    """Which layer a colour is of, whatever its brightness."""
    one, known = (c / np.linalg.norm(c, axis=1, keepdims=True) for c in (colours, layer_colours(LAYERS)))
    return np.asarray((one @ known.T).argmax(axis=1))


@pytest.mark.slow
def test_early_rois_are_painted_as_early_layers() -> None:
    found = hues(flat=False)
    assert found["V1"] < 1.2
    assert found["EBA"] > 3.8
    assert found["V1"] < found["V2"] < found["OPA"] < found["EBA"]


@pytest.mark.slow
def test_the_control_is_painted_alike() -> None:
    found = hues(flat=True)
    assert max(found.values()) - min(found.values()) < 0.5
    assert np.mean([*found.values()]) == pytest.approx((LAYERS - 1) / 2, abs=1)
