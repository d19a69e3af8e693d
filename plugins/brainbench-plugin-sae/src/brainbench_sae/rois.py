"""Whether the units of voxels keep the order of the voxels: representational similarity over voxels, and its spatial null.

``by_units`` and ``by_responses`` are correlations [V, V] of the voxels with one another over images.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation
from scipy.stats import rankdata

Doubles = NDArray[np.float64]


def consistency(by_units: Doubles, by_responses: Doubles) -> float:
    """Spearman's correlation of the two over all pairs of voxels."""
    above = np.triu_indices(len(by_units), 1)
    return _r(rankdata(by_units[above]), rankdata(by_responses[above]))


def spatial_null(
    by_units: Doubles, by_responses: Doubles, coordinates: NDArray[np.floating], rotations: int, seed: int
) -> Doubles:
    """Return the consistency of maps that were rotated, [rotations], each voxel given the units of the one it lands on.

    Neighbouring voxels are alike, and remain so after a rotation, so the null has the smoothness of the map (spin test,
    Alexander-Bloch and others 2018). coordinates: [V, 3]; each hemisphere (left: x below 0) is projected to a sphere around its
    own centre, and the right one is rotated as a mirror image of the left one.
    """
    above = np.triu_indices(len(by_units), 1)
    observed = rankdata(by_responses[above])
    ranks = np.zeros_like(by_units)
    ranks[above] = rankdata(by_units[above])
    ranks += ranks.T
    # Two voxels that land on the same one are as alike as can be.
    np.fill_diagonal(ranks, len(observed) + 1)
    x = coordinates[:, 0]
    sides = [side for side in (np.flatnonzero(x < 0), np.flatnonzero(x >= 0)) if len(side)]
    spheres = [_sphere(coordinates[side]) for side in sides]
    trees = [cKDTree(sphere) for sphere in spheres]
    mirror = np.diag([-1.0, 1.0, 1.0])
    found = np.empty(rotations)
    for number, turn in enumerate(Rotation.random(rotations, rng=np.random.default_rng(seed)).as_matrix()):
        lands = np.arange(len(by_units))
        for which, (side, sphere, tree) in enumerate(zip(sides, spheres, trees, strict=True)):
            turned = turn if which == 0 else mirror @ turn @ mirror
            lands[side] = side[tree.query(sphere @ turned.T)[1]]
        found[number] = _r(ranks[np.ix_(lands, lands)][above], observed)
    return found


def unlike(rois: Mapping[str, NDArray[np.bool_]]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which pairs of voxels share a ROI, and which are of two ROIs and share none, bool [V, V] each."""
    if not rois:
        return np.zeros((0, 0), bool), np.zeros((0, 0), bool)
    member = np.stack([*rois.values()], axis=1).astype(np.int64)
    shared = np.asarray(member @ member.T > 0)
    placed = np.asarray(member.any(axis=1))
    different = ~shared & placed[:, None] & placed[None]
    np.fill_diagonal(shared, False)
    return shared, different


def selectivity(
    by_units: Doubles, by_responses: Doubles, pairs: tuple[NDArray[np.bool_], NDArray[np.bool_]]
) -> float | None:
    """Mean correlation within ROIs less that between them, by units, as a share of the same by responses.

    None without pairs of both kinds, or if the responses themselves are not more alike within ROIs.
    """
    within, between = pairs
    if not (within.any() and between.any()):
        return None
    units, brain = (float(one[within].mean() - one[between].mean()) for one in (by_units, by_responses))
    return units / brain if brain > 0 else None


def _sphere(coordinates: NDArray[np.floating]) -> Doubles:
    centred = np.asarray(coordinates, np.float64) - coordinates.mean(axis=0)
    return np.asarray(centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-9))


def _r(one: Doubles, other: Doubles) -> float:
    one, other = one - one.mean(), other - other.mean()
    size = float(np.sqrt(np.square(one).sum() * np.square(other).sum()))
    return float(one @ other) / size if size > 0 else 0.0
