"""Figures of what was fitted; public. Imports matplotlib and nilearn."""

from __future__ import annotations

from brainbench.plot.choice import chosen_voxels
from brainbench.plot.colours import layer_colours
from brainbench.plot.figures import save
from brainbench.plot.maps import MAPS, layer_map, r2_map, scale_map, space_map, weights_map
from brainbench.plot.voxels import Voxels, together, voxels_of

__all__ = [
    "MAPS",
    "Voxels",
    "chosen_voxels",
    "layer_colours",
    "layer_map",
    "r2_map",
    "save",
    "scale_map",
    "space_map",
    "together",
    "voxels_of",
    "weights_map",
]
