"""Visual concepts: places of the embedding, far from one another, and the tokens around them (sections 3.3 and 3.4)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from brainbench import DataError
from brainbench_alignedcut.activation import moments

_BLOCK = 1 << 20  # points whose distances are held at once


@dataclass(frozen=True)
class Balls:
    """k concepts: Euclidean balls of one radius.

    centres: [k] row numbers of the points; radius: half the distance of the two nearest centres, so that no point is in two;
    members: [k] how many points are inside; mean, sd: [k, R] of their activation in the brain's space.
    """

    centres: np.ndarray
    radius: float
    members: np.ndarray
    mean: np.ndarray
    sd: np.ndarray


def farthest_points(points: np.ndarray, count: int) -> np.ndarray:
    """Farthest-point sampling: row numbers of at most ``count`` of the points [M, d], each the farthest from those before it.

    The first is the point farthest from the mean. Of equals the first is taken, so the same points give the same sample; no two
    of the same place are. Raises DataError when points are not finite.
    """
    points = _checked(points, count)
    nearest = _distances(points, points.mean(axis=0))
    chosen = [int(nearest.argmax())]
    nearest = _distances(points, points[chosen[0]])
    while len(chosen) < count and nearest.max() > 0:
        chosen.append(int(nearest.argmax()))
        nearest = np.minimum(nearest, _distances(points, points[chosen[-1]]))
    return np.array(chosen)


def find_balls(points: np.ndarray, activation: np.ndarray, count: int) -> Balls:
    """At most ``count`` concepts among points [M, d] (3-D spectral t-SNE in the paper) with activation [M, R] in the brain's space.

    Where all points are at one place there is one ball of radius 0 that holds them all.
    """
    centres = farthest_points(points, count)
    places = np.asarray(points[centres], np.float64)
    apart = np.linalg.norm(places[:, None] - places, axis=2)
    radius = float(apart[np.triu_indices(len(centres), 1)].min(initial=np.inf)) / 2 if len(centres) > 1 else 0.0
    # A point on the border between two balls is in neither.
    inside = [(d < radius) | (d == 0) for d in (np.sqrt(_distances(points, place)) for place in places)]
    found = [moments(activation, chosen) for chosen in inside]
    return Balls(
        centres,
        radius,
        np.array([one.count for one in found]),
        np.stack([one.mean for one in found]),
        np.stack([one.sd for one in found]),
    )


def nearest_concept(points: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """[M] the number of the centre, of [k, d], nearest to each of the points [M, d]; of equals the first."""
    distances = np.stack([_distances(points, centre) for centre in np.asarray(centres, np.float64)])
    return np.asarray(distances.argmin(axis=0))


def transitions(before: np.ndarray, after: np.ndarray, counts: tuple[int, int]) -> np.ndarray:
    """Probability [k, m] that a token of one concept is, a layer later and at the same place, of another; rows sum to 1.

    before, after: [P] concept of each token in the one layer and in the next; counts: (k, m). A row is NaN when no token is of
    its concept. In the paper a token may be of no concept, and rows sum to less (Figure 10); here it is of the nearest.
    """
    table = np.zeros(counts)
    np.add.at(table, (before, after), 1)
    total = table.sum(axis=1, keepdims=True)
    return np.asarray(np.divide(table, total, out=np.full(counts, np.nan), where=total > 0))


def _checked(points: np.ndarray, count: int) -> np.ndarray:
    if not len(points) or not np.isfinite(points).all():
        raise DataError(f"{len(points)} points, some perhaps infinite: concepts need one point at least, all finite")
    if count < 1:
        raise DataError(f"{count} concepts: at least 1 is needed")
    return points


def _distances(points: np.ndarray, place: np.ndarray) -> np.ndarray:
    """[M] squared distances of points [M, d] from one place [d], float64."""
    place = np.asarray(place, np.float64)
    blocks = [points[start : start + _BLOCK] for start in range(0, len(points), _BLOCK)]
    return np.concatenate([np.square(np.asarray(block, np.float64) - place).sum(axis=1) for block in blocks])
