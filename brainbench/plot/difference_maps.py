"""Two backbones on the same voxels: where the second reads later layers, or predicts better."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from matplotlib.colors import Normalize

from brainbench.errors import UsageError
from brainbench.metrics.layer_profile import layer_place
from brainbench.plot.maps import scalar_map, trust_notes
from brainbench.plot.page import Picture
from brainbench.plot.voxels import Source, Voxels, voxels_of

_PALETTE = "RdBu_r"  # blue and red stay apart for colour-blind eyes


def layer_difference_map(a: Source, b: Source) -> Picture:
    """Plot the layer place (0 first layer .. 1 last, section 4.3) of ``b`` minus that of ``a``; red: b reads later layers.

    Raises UsageError if the two have different voxels, or one has a single layer.
    """
    one, other = _same_voxels(a, b)
    places = []
    for voxels in (one, other):
        weights = voxels.need("layer")
        if weights.shape[1] == 1:
            raise UsageError(f"{voxels.title}: a single layer has no place among layers; compare r2 instead")
        places.append(layer_place(weights))
    return _difference(one, other, places[1] - places[0], "layer place", _doubts(one, other))


def r2_difference_map(a: Source, b: Source) -> Picture:
    """Plot R2 on the test split of ``b`` minus that of ``a``; red: b predicts better.

    Raises like ``layer_difference_map``.
    """
    one, other = _same_voxels(a, b)
    values = np.asarray(other.need("r2"), np.float64) - one.need("r2")
    return _difference(one, other, np.where(np.isfinite(values), values, 0), "R2")


def _same_voxels(a: Source, b: Source) -> tuple[Voxels, Voxels]:
    one, other = voxels_of(a), voxels_of(b)
    same_place(one, other)
    return one, other


def same_place(one: Voxels, other: Voxels) -> None:
    """Raise UsageError unless the two have the same voxels."""
    if _place(one) != _place(other):
        raise UsageError(
            f"{one.title} and {other.title}: not the same voxels of the same subjects; compare two rows of one run"
        )


def _place(voxels: Voxels) -> tuple[object, ...]:
    """Return what two sets of voxels share if they are the same."""
    surface = voxels.surface
    where = (surface.mesh, surface.hemisphere.tolist(), np.asarray(surface.vertex).tolist()) if surface else None
    data = [(r.dataset.name, r.dataset.version, r.dataset.subject, r.dataset.responses_key) for r in voxels.records]
    return voxels.count, where, {name: mask.tolist() for name, mask in voxels.rois.items()}, data


def _doubts(*several: Voxels) -> list[str]:
    return [f"{voxels.title}. {note}" for voxels in several for note in trust_notes(voxels)]


def _difference(a: Voxels, b: Voxels, values: np.ndarray, of: str, notes: Sequence[str] = ()) -> Picture:
    # A few extremes must not leave the rest without colour.
    top = max(float(np.quantile(np.abs(values), 0.99)), 0.01)
    whole = replace(a, title=f"{b.title} minus {a.title}", records=(*a.records, *b.records))
    return scalar_map(whole, values, _PALETTE, Normalize(-top, top, clip=True), f"difference of {of}", of, notes)
