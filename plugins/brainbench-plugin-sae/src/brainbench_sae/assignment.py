"""Which unit each voxel is given: its most similar one, or a different one for every voxel."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from brainbench import DataError

# Added to correlations, which then are above 0: an entry of 0 would be no edge of the graph.
_ABOVE_ZERO = 2.0


def one_to_one(values: NDArray[np.float32], units: NDArray[np.int64]) -> NDArray[np.int64]:
    """Choose one of each voxel's candidates such that no unit is chosen twice and the sum of similarities is largest.

    values, units: [K, V], similarity and number of every voxel's candidates; -inf: there is none. Returns which candidate, [V].
    This is a matching of a sparse bipartite graph (Jonker-Volgenant). Raises DataError if the candidates are too few for all.
    """
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import min_weight_full_bipartite_matching

    count, voxels = values.shape
    there = np.isfinite(values)
    known, number = np.unique(units[there], return_inverse=True)
    if len(known) < voxels:
        raise DataError(
            f"{voxels} voxels have {len(known)} different units among their {count} best, too few for one each: set "
            "sae.candidates higher, or sae.assign=argmax"
        )
    rows = np.broadcast_to(np.arange(voxels), values.shape)[there]
    graph = csr_array((values[there].astype(np.float64) + _ABOVE_ZERO, (rows, number)), shape=(voxels, len(known)))
    try:
        matched, chosen = min_weight_full_bipartite_matching(graph, maximize=True)
    except ValueError as error:
        raise DataError(
            f"the {count} best units of {voxels} voxels cannot be shared out so that each has one of its own: set "
            "sae.candidates higher, or sae.assign=argmax"
        ) from error
    unit = np.empty(voxels, np.int64)
    unit[matched] = known[chosen]
    return np.asarray((units == unit).argmax(axis=0))
