"""The cortex the simulated subjects share: fsaverage5, as bundled with nilearn, and where the visual areas lie on it.

V1, V2 and V3 are nested bands around the calcarine sulcus, from the occipital pole (fovea) forwards (periphery), the
arrangement described by Dougherty et al. 2003 (Journal of Vision 3:586) and Wandell, Dumoulin and Brewer 2007 (Neuron 56:366).
The other areas are geodesic discs around published centres.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from nilearn.datasets import fetch_surf_fsaverage
from nilearn.surface import load_surf_data, load_surf_mesh
from numpy.typing import NDArray
from scipy.sparse import block_diag, csr_matrix, diags, identity
from scipy.sparse.csgraph import dijkstra

Array = NDArray[np.float64]

MESH = "fsaverage5"
VERTICES = 10242  # in a hemisphere
HEMISPHERES = ("left", "right")
AREAS = ("V1", "V2", "V3", "hV4", "OPA", "PPA", "EBA", "FFA")

# Outer edge of each band: distance in mm from the calcarine line along the cortex.
BANDS: Mapping[str, float] = {"V1": 11.0, "V2": 18.5, "V3": 25.0}
# Where the calcarine line ends in front: a little behind its junction with the parieto-occipital sulcus; images of a
# few degrees do not drive the cortex beyond. MNI mm, x of the left hemisphere negative.
CALCARINE_FRONT = (12.0, -72.0, 6.0)

# Talairach centres (left, right) and radius in mm along the cortex:
#   hV4  the shared representation of the central 2 degrees of V1-hV4, Dougherty et al. 2003, abstract
#   OPA  near the transverse occipital sulcus, the site of Nasr et al. 2011 (J Neurosci 31:13771) and Dilks et al. 2013
#        (J Neurosci 33:1331); the figures are ours, read off the anatomy, not a printed peak
#   PPA  Epstein and Kanwisher 1998 (Nature 392:598)
#   EBA  Downing et al. 2001 (Science 293:2470)
#   FFA  Kanwisher, McDermott and Chun 1997 (J Neurosci 17:4302)
CENTRES: Mapping[str, tuple[tuple[float, float, float], tuple[float, float, float], float]] = {
    "hV4": ((-29.0, -78.0, -11.0), (25.0, -80.0, -9.0), 12.0),
    "OPA": ((-32.0, -80.0, 18.0), (33.0, -78.0, 18.0), 11.0),
    "PPA": ((-28.0, -39.0, -6.0), (20.0, -39.0, -5.0), 12.0),
    "EBA": ((-51.0, -72.0, 8.0), (51.0, -71.0, 1.0), 12.0),
    "FFA": ((-35.0, -63.0, -10.0), (40.0, -55.0, -10.0), 13.0),
}
GAP = 10.0  # mm between the hemispheres
MISSING = 0.03  # share of the vertices a subject has no voxel for
CENTRE_SPREAD, WIDTH_SPREAD = 2.0, 0.04  # how subjects differ: sd of the centres in mm, of the bands' edges relative
DEPTH_PULL = 0.075  # how much the calcarine line prefers the depth of the sulcus
MAGNIFICATION, PERIPHERY = 2.0, 0.9  # curvature of eccentricity along the line; its largest value
HALF_FIELD = 0.3  # horizontal centre of the receptive fields beyond V3


@dataclass(frozen=True)
class Hemisphere:
    """One hemisphere of the mesh.

    white, inflated: [10242, 3] in mm; depth: [10242] sulcal depth, as FreeSurfer gives it; edges: [10242, 10242] in mm.
    """

    name: str
    white: Array
    inflated: Array
    depth: Array
    edges: csr_matrix


@dataclass(frozen=True)
class Cortex:
    """One subject's voxels, V of them, left hemisphere first.

    hemisphere, vertex: [V], where on the mesh; coordinates: [V, 3] mm on the inflated surface, hemispheres apart;
    area: [V] index into AREAS of the area a voxel lies in or, outside of all, is nearest to; inside: [V], whether it lies in it;
    field: [V, 2] centre of the receptive field as (x, y), right and up positive, 1 at the edge of the image;
    smoother: [V, V] sparse, one step of averaging with the neighbours.
    """

    hemisphere: NDArray[np.str_]
    vertex: NDArray[np.int64]
    coordinates: Array
    area: NDArray[np.int64]
    inside: NDArray[np.bool_]
    field: Array
    smoother: csr_matrix

    @property
    def rois(self) -> dict[str, NDArray[np.bool_]]:
        """Area name -> bool [V]."""
        return {name: self.inside & (self.area == k) for k, name in enumerate(AREAS)}


@lru_cache(maxsize=2)
def hemisphere(name: str) -> Hemisphere:
    """Read one hemisphere of fsaverage5 from nilearn's own files; nothing is downloaded."""
    files = fetch_surf_fsaverage(MESH)
    white = load_surf_mesh(files[f"white_{name}"])
    faces = np.asarray(white.faces)
    points = np.asarray(white.coordinates, dtype=np.float64)
    pairs = np.unique(np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), axis=1), axis=0)
    length = np.linalg.norm(points[pairs[:, 0]] - points[pairs[:, 1]], axis=1)
    half = csr_matrix((length, (pairs[:, 0], pairs[:, 1])), shape=(len(points), len(points)))
    inflated = np.asarray(load_surf_mesh(files[f"infl_{name}"]).coordinates, dtype=np.float64)
    depth = np.asarray(load_surf_data(files[f"sulc_{name}"]), dtype=np.float64)
    return Hemisphere(name, points, inflated, depth, half + half.T)


def build(rng: np.random.Generator, margin: float = 0.0) -> Cortex:
    """One subject's cortex: the published centres and widths, shifted a little as they differ from person to person.

    margin: mm of cortex around the areas that also count as voxels.
    """
    left, right = (_voxels(hemisphere(name), rng, margin) for name in HEMISPHERES)
    return Cortex(
        hemisphere=np.repeat(HEMISPHERES, [len(left.vertex), len(right.vertex)]),
        vertex=np.concatenate([left.vertex, right.vertex]),
        coordinates=np.concatenate([left.coordinates, right.coordinates]),
        area=np.concatenate([left.area, right.area]),
        inside=np.concatenate([left.inside, right.inside]),
        field=np.concatenate([left.field, right.field]),
        smoother=block_diag([left.smoother, right.smoother], format="csr"),
    )


def talairach_to_mni(point: tuple[float, float, float]) -> Array:
    """Talairach mm -> MNI mm, the inverse of Brett's piecewise linear transform (MRC CBU, 1999)."""
    x, y, z = point
    lower = 0.9189 if z >= 0 else 0.8390
    tilt = 0.0460 if z >= 0 else 0.0420
    matrix = np.array([[0.9900, 0, 0], [0, 0.9688, tilt], [0, -0.0485, lower]])
    return np.asarray(np.linalg.solve(matrix, np.array([x, y, z])))


def _voxels(mesh: Hemisphere, rng: np.random.Generator, margin: float) -> Cortex:
    """The voxels of one hemisphere."""
    line = _calcarine(mesh)
    distance, place = _distance_along(mesh, line)
    area = _areas(mesh, distance, place < len(line) - 1, rng)
    nearest = np.stack(
        [dijkstra(mesh.edges, indices=np.flatnonzero(area == k), min_only=True) for k in range(len(AREAS))]
    )
    vertex = np.flatnonzero(nearest.min(axis=0) <= margin)
    vertex = vertex[rng.random(len(vertex)) > MISSING]
    sign = -1.0 if mesh.name == "left" else 1.0
    coordinates = mesh.inflated[vertex].copy()
    coordinates[:, 0] += sign * (GAP / 2 - (sign * mesh.inflated[:, 0]).min())
    region = nearest.argmin(axis=0)
    return Cortex(
        hemisphere=np.full(len(vertex), mesh.name),
        vertex=vertex,
        coordinates=coordinates,
        area=region[vertex],
        inside=area[vertex] >= 0,
        field=_visual_field(mesh, line, distance, place, region)[vertex],
        smoother=_smoother(mesh.edges, vertex),
    )


def _calcarine(mesh: Hemisphere) -> NDArray[np.int64]:
    """Vertices along the calcarine sulcus, from the occipital pole forwards: the cheapest way that keeps to its depth."""
    sign = -1.0 if mesh.name == "left" else 1.0
    pole = int(mesh.white[:, 1].argmin())
    front = _nearest(mesh, np.array(CALCARINE_FRONT) * [sign, 1, 1])
    edges = mesh.edges.tocoo()
    cost = edges.data * np.exp(-DEPTH_PULL * (mesh.depth[edges.row] + mesh.depth[edges.col]))
    graph = csr_matrix((cost, (edges.row, edges.col)), shape=edges.shape)
    _, before = dijkstra(graph, indices=pole, return_predecessors=True)
    line = [front]
    while line[-1] != pole:
        line.append(int(before[line[-1]]))
    return np.array(line[::-1])


def _distance_along(mesh: Hemisphere, line: NDArray[np.int64]) -> tuple[Array, NDArray[np.int64]]:
    """Each vertex's distance to the line in mm, and the place on the line it is nearest to."""
    distance, _, source = dijkstra(mesh.edges, indices=line, min_only=True, return_predecessors=True)
    order = np.full(len(mesh.white), len(line) - 1)
    order[line] = np.arange(len(line))
    return distance, order[source]


def _areas(
    mesh: Hemisphere, distance: Array, abreast: NDArray[np.bool_], rng: np.random.Generator
) -> NDArray[np.int64]:
    """Area of each vertex, -1 outside of all. abreast: beside the calcarine line rather than in front of its end."""
    area = np.full(len(mesh.white), -1)
    inner = 0.0
    for name, edge in BANDS.items():
        outer = edge * rng.normal(1.0, WIDTH_SPREAD)
        area[abreast & (distance >= inner) & (distance < outer)] = AREAS.index(name)
        inner = outer
    taken = np.isin(area, [AREAS.index("V1"), AREAS.index("V2")])
    for name, (left, right, radius) in CENTRES.items():
        centre = talairach_to_mni(left if mesh.name == "left" else right) + rng.normal(0.0, CENTRE_SPREAD, 3)
        near = dijkstra(mesh.edges, indices=_nearest(mesh, centre), limit=radius) <= radius
        area[near & ~taken] = AREAS.index(name)
    return area


def _nearest(mesh: Hemisphere, point: Array) -> int:
    return int(np.linalg.norm(mesh.white - point, axis=1).argmin())


def _visual_field(
    mesh: Hemisphere, line: NDArray[np.int64], distance: Array, place: NDArray[np.int64], area: NDArray[np.int64]
) -> Array:
    """Centre of every vertex's receptive field [n, 2]: always in the half opposite to the hemisphere.

    In V1-V3 eccentricity grows from the pole forwards, faster and faster (cortical magnification). The horizontal
    meridian lies along the calcarine line and where V2 meets V3, the vertical one where V1 meets V2 and at the outer edge
    of V3, its upper half below the line and its lower half above. The other areas see most of the half field from one centre.
    """
    side = 1.0 if mesh.name == "left" else -1.0
    along = place / (len(line) - 1)
    average = _smoother(mesh.edges, np.arange(len(along)))
    for _ in range(4):
        along = average @ along
    eccentricity = np.expm1(MAGNIFICATION * along) / np.expm1(MAGNIFICATION) * PERIPHERY
    v1, v2, v3 = BANDS.values()
    angle = np.interp(distance, [0, v1, v2, v3], [0, np.pi / 2, 0, np.pi / 2])
    above = np.sign(mesh.inflated[:, 2] - mesh.inflated[line[place], 2])
    field = np.stack([side * eccentricity * np.cos(angle), -above * eccentricity * np.sin(angle)], axis=1)
    field[area >= len(BANDS)] = [side * HALF_FIELD, 0.0]
    return field


def _smoother(edges: csr_matrix, vertex: NDArray[np.int64]) -> csr_matrix:
    """[V, V], rows sum to 1: the mean of a voxel and its neighbours."""
    near = (edges[vertex][:, vertex] > 0).astype(np.float64) + identity(len(vertex), format="csr")
    return csr_matrix(diags(1 / np.asarray(near.sum(axis=1)).ravel()) @ near)
