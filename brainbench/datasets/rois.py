"""ROI names: the one place where aliases are resolved."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from brainbench.datasets.tables import read_rows
from brainbench.errors import DataError

_ALIASES = {
    "v4": "hV4",
    "hv4": "hV4",
    **{f"v{area}{part}": f"V{area}" for area in (1, 2, 3) for part in ("", "v", "d")},
}


def canonical_roi(name: str) -> str:
    """The name under which an ROI is scored: V4 is hV4; V1v and V1d are V1, likewise V2 and V3; others stay."""
    name = unicodedata.normalize("NFC", name)
    return _ALIASES.get(name.casefold(), name)


def roi_masks(members: Iterable[tuple[int, str]], voxels: int) -> dict[str, np.ndarray]:
    """(voxel, ROI) pairs -> canonical ROI name -> bool [voxels], in the order in which the ROIs first appear."""
    masks: dict[str, np.ndarray] = {}
    for voxel, name in members:
        masks.setdefault(canonical_roi(name), np.zeros(voxels, bool))[voxel] = True
    return masks


def read_rois(path: Path, voxels: int) -> dict[str, np.ndarray]:
    """Read ``rois.csv`` (columns voxel, counted from 0, and roi): ROI name -> bool [voxels].

    A voxel may have several lines. Raises DataError for a voxel that the responses do not have.
    """
    members = []
    for row in read_rows(path, ("voxel", "roi")):
        voxel = row.number("voxel")
        if not 0 <= voxel < voxels:
            hint = " (voxels are counted from 0)" if voxel == voxels else ""
            raise DataError(f"{row.where}: no voxel {voxel}; the responses have voxels 0 to {voxels - 1}{hint}")
        members.append((voxel, row["roi"]))
    return roi_masks(members, voxels)
