"""A synthetic cortex for simulated data: an icosahedral sphere in the layout of FreeSurfer's fsaverage."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np

from brainbench.datasets.ledger import cache_refuses
from brainbench.errors import UsageError

SYNTHETIC = "synthetic, order "  # how the files' stamps begin
MIRRORED = (-1, 1, 1)  # left to right
_RADIUS = 100.0  # mm, as of FreeSurfer's spheres
_AXES = (35.0, 85.0, 55.0)  # mm, half axes of the inflated shape: x, y, z
_BEND = 12.0  # mm, by which its two ends lean towards the middle
_README = """Synthetic cortex, order {order}: nobody's brain.

surf/ holds an icosahedral sphere of {count:,} vertices a hemisphere, as many as {name} has, and the same sphere made long and
bent as `inflated`. It lies as FreeSurfer's fsaverage does, for trying out what needs a surface. Vertices do not lie where those
of fsaverage do: no place on it means anything.
"""


def vertices_of(order: int) -> int:
    """Vertices of an icosahedron whose faces were divided into four so many times: 10 * 4^order + 2."""
    return int(10 * 4**order + 2)


def icosphere(order: int) -> tuple[np.ndarray, np.ndarray]:
    """Vertices [10 * 4^order + 2, 3] on the unit sphere and triangles [20 * 4^order, 3], seen anticlockwise from outside."""
    golden = (1 + 5**0.5) / 2
    flat = np.array([(0.0, a, b) for a, b in product((-1, 1), (-golden, golden))])
    points = np.concatenate([np.roll(flat, turn, axis=1) for turn in range(3)])
    apart = np.linalg.norm(points[:, None] - points, axis=2)
    near = (apart > 0) & (apart < 2.1)  # edges are 2 long
    faces = np.array(
        [(i, j, k) for i in range(12) for j in range(i) for k in range(j) if near[i, j] and near[j, k] and near[i, k]]
    )
    inward = np.linalg.det(points[faces]) < 0
    faces[inward] = faces[inward][:, ::-1]
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    for _ in range(order):
        points, faces = _divided(points, faces)
    return points, faces


def left_side(order: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """``sphere`` and ``inflated`` [n, 3] in mm, and their triangles; UsageError for an order that is not 0 to 7."""
    if not 0 <= order <= 7:
        raise UsageError(f"no synthetic cortex of order {order}: 0 to 7 are allowed, 7 has the vertices of fsaverage")
    points, faces = icosphere(order)
    inflated = points * _AXES
    inflated[:, 0] += _BEND * points[:, 1] ** 2
    return {"sphere": points * _RADIUS, "inflated": inflated}, faces


def write_cortex(folder: Path, order: int) -> None:
    """Write ``surf/{lh,rh}.{sphere,inflated}`` with 10 * 4^order + 2 vertices a side, and a README, into ``folder``.

    Order 7 has the 163,842 vertices of fsaverage. The right side mirrors the left one. Raises UsageError for an order that is
    not 0 to 7, StoreError where nothing can be written.
    """
    from nibabel.freesurfer.io import write_geometry

    shapes, faces = left_side(order)
    surf = folder / "surf"
    with cache_refuses(surf):
        surf.mkdir(parents=True, exist_ok=True)
        for name, left in shapes.items():
            stamp = f"{SYNTHETIC}{order}"
            sides = {"lh": (left, faces), "rh": (left * MIRRORED, faces[:, ::-1])}
            for side, mesh in sides.items():
                write_geometry(surf / f"{side}.{name}", *mesh, create_stamp=stamp)  # type: ignore[no-untyped-call]
        text = _README.format(
            order=order, count=vertices_of(order), name=f"fsaverage{order}" if order >= 3 else "no fsaverage"
        )
        (folder / "README").write_text(text, encoding="utf-8")


def _divided(points: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Every triangle into four; the new vertices, halfway along the edges, come after the old ones."""
    edges = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), axis=1)
    numbers, place = np.unique(edges[:, 0] * len(points) + edges[:, 1], return_inverse=True)
    middle = points[numbers // len(points)] + points[numbers % len(points)]
    middle /= np.linalg.norm(middle, axis=1, keepdims=True)
    (a, b, c), (ab, bc, ca) = faces.T, (place + len(points)).reshape(3, -1)
    corners = [(a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca)]
    return np.concatenate([points, middle]), np.concatenate([np.stack(three, axis=1) for three in corners])
