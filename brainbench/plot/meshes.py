"""Sheets to paint on: flat and inflated surfaces that nilearn bundles or a folder contains.

Nothing is ever downloaded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from nilearn.datasets import fetch_surf_fsaverage
from nilearn.surface import load_surf_data, load_surf_mesh

from brainbench.errors import UsageError
from brainbench.types import Surface

SIDES = ("left", "right")
_BUNDLED, _VERTICES = "fsaverage5", 10242
# Vertices a side. The first 10,242 of each are those of fsaverage5: a mesh is made by dividing the triangles of the one before,
# and new vertices are appended (A. M. Winkler, Downsampling a brain surface, brainder.org 2016; nilearn issue 3415).
_FAMILY = {"fsaverage5": _VERTICES, "fsaverage6": 40962, "fsaverage": 163842, "fsaverage7": 163842}


@dataclass(frozen=True, eq=False)
class Sheet:
    """One hemisphere of a mesh. points: [n, 2] flat or [n, 3], in mm; faces: [f, 3]; sulci: bool [n], dark if not painted."""

    points: np.ndarray
    faces: np.ndarray
    sulci: np.ndarray


@dataclass(frozen=True)
class Cortex:
    """The positions of voxels, and the sheets of their mesh, by side; flat is empty if there is none."""

    surface: Surface
    flat: Mapping[str, Sheet]
    inflated: Mapping[str, Sheet]

    def spread(self, values: np.ndarray, side: str, sheet: Sheet) -> np.ndarray:
        """Map [V, ...] to [n, ...] on the vertices of a sheet, NaN without a voxel.

        Vertices that the sheet lacks are left out.
        """
        vertex = np.asarray(self.surface.vertex)
        voxels = np.flatnonzero((np.asarray(self.surface.hemisphere) == side) & (vertex < len(sheet.points)))
        out = np.full((len(sheet.points), *values.shape[1:]), np.nan)
        out[vertex[voxels]] = values[voxels]
        return out

    @property
    def notes(self) -> list[str]:
        """Say which voxels are not painted."""
        whole = _FAMILY.get(self.surface.mesh, 0)
        sheets = {"flat map": self.flat, "inflated views": self.inflated}
        coarse = [name for name, some in sheets.items() if some and len(some[SIDES[0]].points) < whole]
        if not coarse:
            return []
        return [
            f"Shown on the {' and '.join(coarse)}: of {self.surface.mesh}, the {_VERTICES:,} vertices a side that {_BUNDLED} "
            f"has too, one in {round(whole / _VERTICES)}."
        ]


def cortex(surface: Surface | None, folder: Path | None) -> Cortex | None:
    """Return the sheets for voxels on ``surface``. None without a mesh, or if no sheet of it is known.

    folder: a FreeSurfer subject (``surf/lh.inflated``, ``surf/lh.sulc``) or a mesh as nilearn stores it
    (``infl_left.gii.gz``, ``sulc_left.gii.gz`` and, if it exists, ``flat_left.gii.gz``). Raises UsageError if it contains
    another mesh.
    """
    if surface is None:
        return None
    known = surface.mesh in _FAMILY
    flat = {side: _bundled("flat", side) for side in SIDES} if known else {}
    inflated = {side: _bundled("infl", side) for side in SIDES} if known else {}
    if folder is not None:
        inflated = {side: _inflated(folder, side) for side in SIDES}
        for side in SIDES:
            _check(surface, folder, side, len(inflated[side].points))
        if all((folder / f"flat_{side}.gii.gz").exists() for side in SIDES):
            flat = {
                side: _read(folder / f"flat_{side}.gii.gz", folder / f"sulc_{side}.gii.gz", flat=True) for side in SIDES
            }
    return Cortex(surface, flat, inflated) if inflated else None


def _bundled(kind: str, side: str) -> Sheet:
    files = fetch_surf_fsaverage(_BUNDLED)
    return _read(Path(files[f"{kind}_{side}"]), Path(files[f"sulc_{side}"]), flat=kind == "flat")


def _inflated(folder: Path, side: str) -> Sheet:
    hemisphere = {"left": "lh", "right": "rh"}[side]
    for mesh, sulci in (
        (folder / f"surf/{hemisphere}.inflated", folder / f"surf/{hemisphere}.sulc"),
        (folder / f"infl_{side}.gii.gz", folder / f"sulc_{side}.gii.gz"),
    ):
        if mesh.exists() and sulci.exists():
            return _read(mesh, sulci, flat=False)
    raise UsageError(
        f"--surface {folder}: no inflated surface of the {side} side there; expected surf/{hemisphere}.inflated and .sulc "
        f"(FreeSurfer) or infl_{side}.gii.gz and sulc_{side}.gii.gz (nilearn)"
    )


@lru_cache(maxsize=12)
def _read(mesh: Path, sulci: Path, *, flat: bool) -> Sheet:
    try:
        found, depth = load_surf_mesh(str(mesh)), np.asarray(load_surf_data(str(sulci)))
    except (OSError, ValueError) as problem:
        reason = str(problem).splitlines()[0]
        raise UsageError(f"{mesh}: not a surface that can be read ({reason}); give another --surface") from None
    points = np.asarray(found.coordinates, np.float64)
    return Sheet(points[:, :2] if flat else points, np.asarray(found.faces), depth > 0)


def _check(surface: Surface, folder: Path, side: str, count: int) -> None:
    wanted = _FAMILY.get(surface.mesh)
    there = np.asarray(surface.vertex)[np.asarray(surface.hemisphere) == side]
    if (wanted is not None and wanted != count) or there.max(initial=-1) >= count:
        raise UsageError(
            f"--surface {folder}: a mesh of {count:,} vertices on the {side}, but the voxels are on {surface.mesh}"
            f" ({wanted or there.max() + 1:,}); give the surfaces of that mesh"
        )
