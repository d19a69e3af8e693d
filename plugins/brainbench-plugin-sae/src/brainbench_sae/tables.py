"""Layers and ROIs: which layers a ROI's voxels read, and to which ROIs a layer's units are most similar.

Shapes: L layers, M units of a layer, V voxels, R ROIs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from brainbench_sae.dictionary import Dictionary

Doubles = NDArray[np.float64]


@dataclass(frozen=True)
class LayerTable:
    """Layers by ROIs, [L, R] each.

    best: share of a ROI's voxels whose most similar unit is in the layer; average: share whose mean correlation with the units
    is largest in the layer; density: units of the layer whose most similar voxel is in the ROI, per voxel of the ROI.
    """

    layers: tuple[str, ...]
    rois: tuple[str, ...]
    best: Doubles
    average: Doubles
    density: Doubles

    def text(self) -> str:
        """Return the three tables as Markdown, one row a layer."""
        titles = {
            "Share of voxels whose most similar unit is in the layer": self.best,
            "Share of voxels that are most similar to the layer's units on average": self.average,
            "Units whose most similar voxel is in the ROI, per voxel": self.density,
        }
        return "\n\n".join(f"{title}:\n\n{self._markdown(table)}" for title, table in titles.items())

    def csv(self) -> str:
        """Return one line per layer and ROI."""
        lines = ["layer,roi,best,average,units_per_voxel"]
        for row, layer in enumerate(self.layers):
            for column, roi in enumerate(self.rois):
                figures = (table[row, column] for table in (self.best, self.average, self.density))
                lines.append(f"{layer},{roi}," + ",".join(f"{figure:.6g}" for figure in figures))
        return "\n".join(lines) + "\n"

    def _markdown(self, table: Doubles) -> str:
        head = [f"| layer | {' | '.join(self.rois)} |", f"|---|{'---:|' * len(self.rois)}"]
        return "\n".join(
            head
            + [
                f"| {layer} | {' | '.join(f'{figure:.2f}' for figure in row)} |"
                for layer, row in zip(self.layers, table, strict=True)
            ]
        )


def layer_table(found: Dictionary, layers: Sequence[str], rois: Mapping[str, NDArray[np.bool_]]) -> LayerTable:
    """Return the table of a fit. rois: name -> bool [V], each with a voxel."""
    count = len(layers)

    def shares(chosen: NDArray[np.int64]) -> Doubles:
        return np.stack([np.bincount(chosen[mask], minlength=count) / mask.sum() for mask in rois.values()], axis=1)

    units = units_per_voxel(found)
    return LayerTable(
        layers=tuple(layers),
        rois=tuple(rois),
        best=shares(found.highest.argmax(axis=1)),
        average=shares(found.mean.argmax(axis=1)),
        density=np.stack([units[:, mask].mean(axis=1) for mask in rois.values()], axis=1),
    )


def units_per_voxel(found: Dictionary) -> Doubles:
    """Return how many units of each layer are more similar to a voxel than to any other, [L, V]."""
    voxels = len(found.unit)
    return np.stack([np.bincount(one[one >= 0], minlength=voxels).astype(np.float64) for one in found.nearest])
