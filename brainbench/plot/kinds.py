"""The kinds of figure: one table, light enough for the command line to show before anything is drawn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """A kind of figure.

    about: what it shows, for ``--help``; draw, against, several: functions of ``brainbench.plot`` for one backbone, two, or
    any number.
    """

    about: str
    draw: str
    against: str | None = None
    several: str | None = None


KINDS: Mapping[str, Kind] = {
    "layers": Kind(
        "hue: the layer with the largest weight; brightness: confidence",
        "layer_map",
        "layer_difference_map",
        "layer_maps",
    ),
    "weights": Kind("every layer's own weight", "weights_map"),
    "scale": Kind("local tokens or the global one", "scale_map"),
    "space": Kind("the locations in the image that voxels read", "space_map"),
    "r2": Kind("how well voxels are predicted", "r2_map", "r2_difference_map", "r2_maps"),
    "clusters": Kind("clusters of voxels that read similar channels; one subject", "cluster_map"),
    "rois": Kind("R2 by ROI, with 95 % intervals", "roi_bars"),
    "selectors": Kind("histograms of confidence, scale and layer place by ROI", "selector_histograms"),
    "correlation": Kind("how similar the layers are, and whether to trust a layer map", "correlation_matrix"),
    "training": Kind("the training curve", "training_curve"),
}
