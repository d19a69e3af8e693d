"""Figures of what was fitted; public. What draws is imported at first use: the command line starts without matplotlib."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from brainbench.plot.kinds import KINDS, Kind

if TYPE_CHECKING:
    from brainbench.plot.bars import roi_bars
    from brainbench.plot.clusters import channel_clusters, cluster_map
    from brainbench.plot.colours import layer_colours, layer_paint
    from brainbench.plot.concepts import activation_table, transition_matrices
    from brainbench.plot.correlation import correlation_matrix
    from brainbench.plot.difference_maps import layer_difference_map, r2_difference_map
    from brainbench.plot.find_records import chosen_names, chosen_voxels
    from brainbench.plot.histograms import selector_histograms
    from brainbench.plot.maps import layer_map, r2_map, scale_map
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
    "Caption": "page",
    "Picture": "page",
    "Source": "voxels",
    "Voxels": "voxels",
    "activation_table": "concepts",
    "channel_clusters": "clusters",
    "channel_images": "token_images",
    "chosen_names": "find_records",
    "chosen_voxels": "find_records",
    "cluster_map": "clusters",
    "correlation_matrix": "correlation",
    "embedding_map": "token_images",
    "from_record": "voxels",
    "layer_colours": "colours",
    "layer_difference_map": "difference_maps",
    "layer_map": "maps",
    "layer_maps": "small_multiples",
    "layer_paint": "colours",
    "r2_difference_map": "difference_maps",
    "r2_map": "maps",
    "r2_maps": "small_multiples",
    "roi_bars": "bars",
    "save": "page",
    "scale_map": "maps",
    "selector_histograms": "histograms",
    "space_map": "space",
    "together": "subject_mean",
    "training_curve": "training",
    "trajectory_map": "trajectories",
    "transition_matrices": "concepts",
    "voxels_of": "voxels",
    "weights_map": "weights",
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
    "space_map",
    "together",
    "training_curve",
    "trajectory_map",
    "transition_matrices",
    "voxels_of",
    "weights_map",
]


def __getattr__(name: str) -> Any:
    if name in _LATE:
        return getattr(import_module(f"brainbench.plot.{_LATE[name]}"), name)
    raise AttributeError(f"module 'brainbench.plot' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
