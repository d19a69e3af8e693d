"""The normalised cut of millions of nodes: solved on a sub-sample, carried to the rest by nearest neighbours.

AlignedCut (arXiv:2406.18344), section 2.2. docs/decisions/016-spectral.md has the figures behind the defaults.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from brainbench import DataError, UsageError
from brainbench_alignedcut.neighbours import blocks, most_similar

VANISHING = 1e-6
"""An eigenvalue, of at most 1, that float32 affinities cannot tell from nought."""


@dataclass(frozen=True)
class Spectrum:
    """The leading eigenvectors of a graph of M nodes.

    vectors: [M, count], in the order of their eigenvalues, the sign such that the entry farthest from nought is positive.
    values: [count], eigenvalues of the sub-sampled graph, the first of them 1.
    sampled: [m], ascending numbers of the nodes whose graph was solved.
    notes: what was done otherwise than asked.
    """

    vectors: NDArray[np.float32]
    values: NDArray[np.float64]
    sampled: NDArray[np.int64]
    notes: tuple[str, ...] = ()


def embed(
    nodes: NDArray[np.floating], count: int, *, sample: int = 5000, neighbours: int = 10, seed: int = 0
) -> Spectrum:
    """Leading ``count`` eigenvectors of D^-1/2 A D^-1/2, A = exp(cos - 1), over ``nodes`` [M, C] (equation 3).

    ``sample`` nodes drawn at random by ``seed`` are solved; every other node takes the mean of its ``neighbours`` nearest
    of them, weighted by affinity (equation 4). ``nodes``, a memory map perhaps, is read a block of rows at a time. The
    cosine of a node of length nought is taken to be 0 with every node; a note says how many there are. Eigenvectors whose
    eigenvalue vanishes are arbitrary and left out, and so are those beyond the number of nodes; a note says so.

    Raises:
        DataError: no table of nodes, or a value that is not finite.
        UsageError: a number that is not positive.
    """
    for name, number in (("count", count), ("sample", sample), ("neighbours", neighbours)):
        if number < 1:
            raise UsageError(f"spectral embedding: {name} is {number}; give 1 or more")
    if nodes.ndim != 2 or not nodes.size:
        raise DataError(
            f"spectral embedding: nodes of shape {list(nodes.shape)}; give [nodes, channels], at least one of each"
        )
    notes = _zero_nodes(nodes)
    chance = np.random.default_rng(seed)
    sampled = np.sort(chance.choice(len(nodes), min(sample, len(nodes)), replace=False))
    landmarks = _directions(nodes, sampled)
    values, solved = solve(landmarks, count)
    if len(values) < count:
        notes += (f"{len(values)} of {count} eigenvectors: the graph of {len(sampled)} nodes has no more of its own",)
    vectors = np.empty((len(nodes), len(values)), np.float32)
    for rows in blocks(len(nodes), len(landmarks)):
        vectors[rows] = propagate(_directions(nodes, rows), landmarks, solved, neighbours)
    vectors[sampled] = solved
    return Spectrum(vectors, values, sampled, notes)


def solve(directions: NDArray[np.float32], count: int) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """(eigenvalues, eigenvectors [m, count]) of the graph of ``directions`` [m, C], rows of length 1 or 0; fewer where they vanish."""
    affinity = np.exp(directions @ directions.T - 1)
    root = np.sqrt(affinity.sum(axis=1, dtype=np.float64)).astype(np.float32)
    affinity /= root
    affinity /= root[:, None]
    m = len(affinity)
    values, vectors = scipy.linalg.eigh(affinity, subset_by_index=[max(0, m - count), m - 1], overwrite_a=True)
    values, vectors = values[::-1], vectors[:, ::-1]
    kept = values > VANISHING
    values, vectors = values[kept].astype(np.float64), vectors[:, kept]
    farthest = np.abs(vectors).argmax(axis=0)
    return values, vectors * np.sign(vectors[farthest, np.arange(vectors.shape[1])])


def propagate(
    directions: NDArray[np.float32], landmarks: NDArray[np.float32], solved: NDArray[np.float32], neighbours: int
) -> NDArray[np.float32]:
    """Equation 4: [B, count], for ``directions`` [B, C] from the eigenvectors ``solved`` [m, count] of ``landmarks`` [m, C]."""
    cosines, rows = most_similar(directions, landmarks, min(neighbours, len(landmarks)))
    weights = np.exp(cosines - 1)
    weights /= weights.sum(axis=1, keepdims=True)
    return np.einsum("bk,bkc->bc", weights, solved[rows])


def _directions(nodes: NDArray[np.floating], rows: slice | NDArray[np.int64]) -> NDArray[np.float32]:
    """Those rows at length 1 in float32; a row of noughts stays one."""
    block = nodes[rows].astype(np.float32)
    largest = np.abs(block).max(axis=1, keepdims=True)
    np.divide(block, largest, out=block, where=largest > 0)
    length = np.linalg.norm(block, axis=1, keepdims=True)
    np.divide(block, length, out=block, where=length > 0)
    return block


def _zero_nodes(nodes: NDArray[np.floating]) -> tuple[str, ...]:
    """A note of the nodes without direction, or none; DataError at the first value that is not finite."""
    zeros = 0
    for rows in blocks(*nodes.shape):
        block = nodes[rows]
        if not (finite := np.isfinite(block).all(axis=1)).all():
            first = rows.start + int(np.argmin(finite))
            raise DataError(
                f"spectral embedding: node {first} of {len(nodes)} holds NaN or infinity; give finite features"
            )
        zeros += int((~block.any(axis=1)).sum())
    return (f"{zeros} nodes are nought in every channel: their cosine was taken as 0",) if zeros else ()
