"""Figures of fits; public. Drawing code is imported at first use, so that the command line starts without matplotlib."""

from __future__ import annotations

from typing import TYPE_CHECKING

from brainbench.plot.kinds import KINDS, Kind
from brainbench.util.lazy import attach

if TYPE_CHECKING:
    from brainbench.plot.bars import roi_bars
    from brainbench.plot.clusters import channel_clusters, cluster_map
    from brainbench.plot.colours import layer_colours, layer_paint
    from brainbench.plot.concepts import activation_table, transition_matrices
    from brainbench.plot.correlation import correlation_matrix
    from brainbench.plot.difference_maps import layer_difference_map, r2_difference_map
    from brainbench.plot.find_records import chosen_names, chosen_voxels
    from brainbench.plot.histograms import selector_histograms
    from brainbench.plot.maps import layer_map, r2_map, scale_map, shaded_layer_map
    from brainbench.plot.page import Caption, Picture, save
    from brainbench.plot.small_multiples import layer_maps, r2_maps
    from brainbench.plot.space import space_map
    from brainbench.plot.subject_mean import together
    from brainbench.plot.token_images import channel_images, embedding_map
    from brainbench.plot.training import training_curve
    from brainbench.plot.trajectories import trajectory_map
    from brainbench.plot.voxels import Source, Voxels, from_record, voxels_of
    from brainbench.plot.weights import weights_map

_LATE = {
    "Caption": "brainbench.plot.page",
    "Picture": "brainbench.plot.page",
    "Source": "brainbench.plot.voxels",
    "Voxels": "brainbench.plot.voxels",
    "activation_table": "brainbench.plot.concepts",
    "channel_clusters": "brainbench.plot.clusters",
    "channel_images": "brainbench.plot.token_images",
    "chosen_names": "brainbench.plot.find_records",
    "chosen_voxels": "brainbench.plot.find_records",
    "cluster_map": "brainbench.plot.clusters",
    "correlation_matrix": "brainbench.plot.correlation",
    "embedding_map": "brainbench.plot.token_images",
    "from_record": "brainbench.plot.voxels",
    "layer_colours": "brainbench.plot.colours",
    "layer_difference_map": "brainbench.plot.difference_maps",
    "layer_map": "brainbench.plot.maps",
    "layer_maps": "brainbench.plot.small_multiples",
    "layer_paint": "brainbench.plot.colours",
    "r2_difference_map": "brainbench.plot.difference_maps",
    "r2_map": "brainbench.plot.maps",
    "r2_maps": "brainbench.plot.small_multiples",
    "roi_bars": "brainbench.plot.bars",
    "save": "brainbench.plot.page",
    "scale_map": "brainbench.plot.maps",
    "selector_histograms": "brainbench.plot.histograms",
    "shaded_layer_map": "brainbench.plot.maps",
    "space_map": "brainbench.plot.space",
    "together": "brainbench.plot.subject_mean",
    "training_curve": "brainbench.plot.training",
    "trajectory_map": "brainbench.plot.trajectories",
    "transition_matrices": "brainbench.plot.concepts",
    "voxels_of": "brainbench.plot.voxels",
    "weights_map": "brainbench.plot.weights",
}

__all__ = [
    "KINDS",
    "Caption",
    "Kind",
    "Picture",
    "Source",
    "Voxels",
    "activation_table",
    "channel_clusters",
    "channel_images",
    "chosen_names",
    "chosen_voxels",
    "cluster_map",
    "correlation_matrix",
    "embedding_map",
    "from_record",
    "layer_colours",
    "layer_difference_map",
    "layer_map",
    "layer_maps",
    "layer_paint",
    "r2_difference_map",
    "r2_map",
    "r2_maps",
    "roi_bars",
    "save",
    "scale_map",
    "selector_histograms",
    "shaded_layer_map",
    "space_map",
    "together",
    "training_curve",
    "trajectory_map",
    "transition_matrices",
    "voxels_of",
    "weights_map",
]

__getattr__, __dir__ = attach(__name__, _LATE, __all__)
