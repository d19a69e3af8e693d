"""A fit in a results folder, with its images, tokens and ROIs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import zarr
from safetensors.torch import load_file

from brainbench import Features, Stimuli, UsageError, did_you_mean, reopen
from brainbench.plot import Voxels, voxels_of
from brainbench_sae.encoder import FittedSae, restored


@dataclass(frozen=True)
class Fit:
    """A fit and its data. voxels: with ROIs and places on the cortex; test: [V], test similarity, None if it was not scored."""

    voxels: Voxels
    stimuli: Stimuli
    features: Features
    fitted: FittedSae
    test: np.ndarray | None

    def regions(self) -> Mapping[str, np.ndarray]:
        """Return ROI -> bool [V] for ROIs with a voxel, and all voxels together last."""
        rois = {name: mask for name, mask in self.voxels.rois.items() if mask.any()}
        return rois | {"all": np.ones(len(self.fitted.dictionary.unit), bool)}

    def region(self, name: str) -> np.ndarray:
        """Return the voxels of a ROI, bool [V]. Raises UsageError if there is none of this name."""
        known = self.regions()
        if name not in known:
            raise UsageError(f"--roi {name}: no such ROI{did_you_mean(name, known)}; there are: {', '.join(known)}")
        return known[name]


def open_fit(record: Path, *, data: Path | None = None, weights: tuple[str, ...] = (), device: str = "auto") -> Fit:
    """Return the fit of a record, ``<key>.json`` in a results folder. Raises DataError if it is not a fit of ``sae``."""
    voxels = voxels_of(record)
    opened = reopen(record, data=data, weights=weights, device=device)
    fitted = restored(load_file(opened.parameters), opened.features)
    group = zarr.open_group(record.with_suffix(".zarr"), mode="r")
    name = "per_voxel.dictionary"
    test = np.asarray(group[name]) if name in group else None
    return Fit(voxels, opened.stimuli, opened.features, fitted, test)
