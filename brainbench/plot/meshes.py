"""The sheets that are painted on: flat and inflated surfaces, as nilearn bundles them; nothing is ever downloaded."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from nilearn.datasets import fetch_surf_fsaverage
from nilearn.surface import load_surf_data, load_surf_mesh

from brainbench.types import Surface

SIDES = ("left", "right")
_BUNDLED = "fsaverage5"
_VERTICES = 10242
# Meshes whose first vertices are those of a coarser one: every icosahedron of FreeSurfer is made by dividing the one before.
_FINER = ("fsaverage", "fsaverage6", "fsaverage7")


@dataclass(frozen=True)
class Sheet:
    """One side of the mesh. flat: [n, 2]; flat_faces, faces: [f, 3]; inflated: [n, 3] mm; sulci: bool [n], dark when painted."""

    flat: np.ndarray
    flat_faces: np.ndarray
    inflated: np.ndarray
    faces: np.ndarray
    sulci: np.ndarray


@lru_cache(maxsize=2)
def sheet(side: str) -> Sheet:
    """One side of fsaverage5."""
    files = fetch_surf_fsaverage(_BUNDLED)
    flat, inflated = load_surf_mesh(files[f"flat_{side}"]), load_surf_mesh(files[f"infl_{side}"])
    return Sheet(
        flat=np.asarray(flat.coordinates, np.float64)[:, :2],
        flat_faces=np.asarray(flat.faces),
        inflated=np.asarray(inflated.coordinates, np.float64),
        faces=np.asarray(inflated.faces),
        sulci=np.asarray(load_surf_data(files[f"sulc_{side}"])) > 0,
    )


def paintable(surface: Surface | None) -> bool:
    """Whether the voxels lie on a mesh that there is a sheet for."""
    return surface is not None and surface.mesh in (_BUNDLED, *_FINER)


def on_sheet(surface: Surface, side: str) -> tuple[np.ndarray, np.ndarray]:
    """(voxels, vertices) of one side, [v] each: of a finer mesh, only voxels on vertices that fsaverage5 has too."""
    voxels = np.flatnonzero((np.asarray(surface.hemisphere) == side) & (np.asarray(surface.vertex) < _VERTICES))
    return voxels, np.asarray(surface.vertex)[voxels]


def spread(values: np.ndarray, surface: Surface, side: str) -> np.ndarray:
    """[V, ...] -> [n, ...] on the vertices of one side, NaN where there is no voxel."""
    voxels, vertices = on_sheet(surface, side)
    out = np.full((_VERTICES, *values.shape[1:]), np.nan)
    out[vertices] = values[voxels]
    return out
