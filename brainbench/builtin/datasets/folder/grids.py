"""Whether volumes are on one grid, by their affines: the same voxels in another orientation are reordered, others refused."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from brainbench import DataError

_TOLERANCE = 0.01  # of a voxel's side, between two headers' positions of one voxel


@dataclass(frozen=True)
class Grid:
    """Where the voxels of a volume are.

    path: its file; shape: (X, Y, Z); affine: [4, 4], from indices to mm; placed: whether the file states the affine.
    """

    path: Path
    shape: tuple[int, ...]
    affine: np.ndarray
    placed: bool = True

    def orientation_of(self, other: Grid, moved: Grid) -> np.ndarray | None:
        """How to turn ``other`` to this grid with ``turn``, [3, 2] axes and directions; None if it needs no turning.

        moved: which of the two a message proposes to resample. Raises DataError if ``other`` is on another grid.
        """
        from nibabel.orientations import inv_ornt_aff, io_orientation

        orientation = io_orientation(np.linalg.inv(self.affine) @ other.affine)  # type: ignore[no-untyped-call]
        if np.isnan(orientation).any():
            raise self._refusal(other, moved)
        turned = other.affine @ inv_ornt_aff(orientation, other.shape)  # type: ignore[no-untyped-call]
        axes = np.argsort(orientation[:, 0])
        if tuple(np.array(other.shape)[axes]) != self.shape or not self._same_places(turned):
            raise self._refusal(other, moved)
        return None if np.array_equal(orientation, [[0, 1], [1, 1], [2, 1]]) else np.asarray(orientation)

    def _same_places(self, affine: np.ndarray) -> bool:
        ends = np.array(self.shape) - 1
        corners = np.array(list(np.ndindex(2, 2, 2))) * ends
        apart = corners @ (affine - self.affine)[:3, :3].T + (affine - self.affine)[:3, 3]
        size = np.linalg.norm(self.affine[:3, :3], axis=0).min()
        return bool(np.linalg.norm(apart, axis=1).max() <= _TOLERANCE * size)

    def _refusal(self, other: Grid, moved: Grid) -> DataError:
        for one, placed in ((other, self), (self, other)):
            if not one.placed and placed.placed and one.shape == placed.shape:
                return DataError(
                    f"{one.path} does not say where its voxels are (sform and qform codes are 0): save it with the affine "
                    f"of {placed.path.name}"
                )
        fixed = self if moved is other else other
        here, there = json.dumps(str(moved.path)), json.dumps(str(fixed.path))
        code = (
            f"from nilearn.image import resample_to_img as r; "
            f'r({here}, {there}, interpolation="nearest").to_filename({here})'
        )
        return DataError(
            f"{other.path} is on another grid ({_told(other)}) than {self.path.name} ({_told(self)}): resample "
            f"{moved.path.name}, which this overwrites: python -c {shlex.quote(code)}"
        )


def _told(grid: Grid) -> str:
    shape = " x ".join(map(str, grid.shape))
    size = " x ".join(f"{side:.3g}" for side in np.linalg.norm(grid.affine[:3, :3], axis=0))
    origin = ", ".join(f"{place:.4g}" for place in grid.affine[:3, 3])
    return f"{shape} voxels of {size} mm, the first at {origin}"


def turn(values: np.ndarray, orientation: np.ndarray | None) -> np.ndarray:
    """``values`` [X, Y, Z, ...] with its first axes turned as ``Grid.orientation_of`` says."""
    from nibabel.orientations import apply_orientation

    if orientation is None:
        return values
    return np.asarray(apply_orientation(values, orientation))  # type: ignore[no-untyped-call]
