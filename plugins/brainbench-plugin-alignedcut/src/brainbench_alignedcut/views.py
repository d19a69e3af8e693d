"""The data file ``channels``: the channels of each ROI on images, and clusters of voxels that read similar channels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from brainbench import Stimuli, UsageError
from brainbench.plot import channel_clusters
from brainbench_alignedcut.channels import COMPONENTS, channel_maps, to_rgb
from brainbench_alignedcut.files import DataFile
from brainbench_alignedcut.fits import Fit
from brainbench_alignedcut.gathering import small_copies


@dataclass(frozen=True)
class Channels(DataFile):
    """The top three channels of R ROIs on n images, and the clusters of V voxels.

    title: whose they are; simulated: no brain was measured; images: n names; pictures: uint8 [n, S, S, 3], small copies; rois: R
    names; maps: uint8 [R, n, H, W, 3], the three first principal components of a ROI's channel weights as red, green and blue,
    one scale over the images; clusters: [V] label of each voxel, of those that read alike channels alike, as
    ``brainbench.plot.channel_clusters`` gives them; notes: what was left out, one sentence each.
    """

    title: str
    simulated: bool
    images: tuple[str, ...]
    pictures: np.ndarray
    rois: tuple[str, ...]
    maps: np.ndarray
    clusters: np.ndarray
    notes: tuple[str, ...] = ()

    @classmethod
    def shapes(cls) -> dict[str, tuple[int | str, ...]]:
        """Name of an array -> its lengths."""
        return {"pictures": ("images", "S", "S", 3), "maps": ("rois", "images", "H", "W", 3), "clusters": ("V",)}


def view(fit: Fit, rows: np.ndarray, others: Stimuli | None = None) -> Channels:
    """Look at the images ``rows`` of the fit's own stimuli, or of ``others``, through the channels of every ROI and of all voxels.

    A ROI of fewer than three voxels is left out, and a note says so. Raises UsageError when no ROI is left.
    """
    stimuli = fit.stimuli if others is None else others
    aligned = fit.align(fit.features if others is None else fit.features_of(others))
    rois = {name: mask for name, mask in fit.rois.items() if mask.any()} | {"all": np.ones(len(fit.channel), bool)}
    maps = channel_maps(aligned, rows, fit.channel, fit.layer, rois)
    if not maps:
        raise UsageError(f"{fit.title}: fewer than {COMPONENTS} voxels, which have no three channels to show")
    left = sorted(rois.keys() - maps.keys())
    return Channels(
        title=fit.title,
        simulated=fit.simulated,
        images=tuple(stimuli.ids[row] for row in rows),
        pictures=small_copies(stimuli, rows),
        rois=tuple(maps),
        maps=np.stack([to_rgb(one) for one in maps.values()]),
        clusters=channel_clusters(fit.channel),
        notes=(f"Fewer than {COMPONENTS} voxels in {', '.join(left)}: left out.",) if left else (),
    )
