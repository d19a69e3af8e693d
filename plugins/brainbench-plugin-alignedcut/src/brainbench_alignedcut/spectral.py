"""The normalised cut of millions of nodes: solved on a sub-sample of them, carried from there to all.

AlignedCut (arXiv:2406.18344), section 2.2. docs/decisions/016-spectral.md holds the figures behind the defaults.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.linalg
import torch
from numpy.typing import NDArray
from scipy.sparse.linalg import eigsh

from brainbench import DataError, UsageError
from brainbench_alignedcut.neighbours import blocks, most_similar

Floats = NDArray[np.float32]
VANISHING = 1e-6
"""An eigenvalue, of at most 1, that affinities in float32 cannot distinguish from zero."""


@dataclass(frozen=True)
class Spectrum:
    """The leading eigenvectors of a graph of M nodes.

    vectors: [M, count], by falling eigenvalue; of length 1 over the sampled nodes where these keep their own, and the
    farthest from nought of their entries is positive.
    values: [count], eigenvalues of the sub-sampled graph, the first of them 1.
    sampled: [m], numbers of the nodes whose graph was solved, rising.
    notes: what was done otherwise than asked.
    """

    vectors: Floats
    values: NDArray[np.float64]
    sampled: NDArray[np.int64]
    notes: tuple[str, ...] = ()


def embed(
    nodes: NDArray[np.floating], count: int, *, sample: int = 5000, neighbours: int | None = None, seed: int = 0
) -> Spectrum:
    """Leading ``count`` eigenvectors of D^-1/2 A D^-1/2, A = exp(cos - 1), over ``nodes`` [M, C] (equation 3).

    ``nodes``, a memory map perhaps, is read a block of rows at a time. The cosine of a node of length nought is taken to be 0
    with every node; a note says how many there are. Eigenvectors of vanishing eigenvalue are arbitrary and left out, as are
    those beyond the number of nodes; a note says so.

    Args:
        nodes: [M, C], of any floating type.
        count: eigenvectors.
        sample: nodes, drawn evenly, whose graph is solved.
        neighbours: None for the Nystrom extension, in which every sampled node counts and the sampled keep their own; or the K
            of equation 4: a node takes the mean of its K nearest sampled nodes, weighted by affinity.
        seed: of the draw.

    Raises:
        DataError: no table of nodes, or a value that is not finite.
        UsageError: a number that is not positive.
    """
    for name, number in (("count", count), ("sample", sample), ("neighbours", neighbours)):
        if number is not None and number < 1:
            raise UsageError(f"spectral embedding: {name} is {number}; give 1 or more")
    if nodes.ndim != 2 or not nodes.size:
        shape = list(nodes.shape)
        raise DataError(f"spectral embedding: nodes of shape {shape}; give [nodes, channels], at least one of each")
    notes = _zero_nodes(nodes)
    chance = np.random.default_rng(seed)
    sampled = np.sort(chance.choice(len(nodes), min(sample, len(nodes)), replace=False))
    landmarks = _directions(nodes, sampled)
    values, solved, degrees = _solve(landmarks, count, chance)
    if len(values) < count:
        notes += (f"{len(values)} of {count} eigenvectors: the graph of {len(sampled)} nodes has no more that count",)
    vectors = np.empty((len(nodes), len(values)), np.float32)
    carried = _extension(solved, degrees, values)
    for rows in blocks(len(nodes), len(landmarks)):
        directions = _directions(nodes, rows)
        if neighbours is None:
            vectors[rows] = _extend(directions, landmarks, carried)
        else:
            vectors[rows] = _average(directions, landmarks, solved, neighbours)
    return Spectrum(vectors, values, sampled, notes)


def _solve(
    directions: Floats, count: int, chance: np.random.Generator
) -> tuple[NDArray[np.float64], Floats, NDArray[np.float64]]:
    """(eigenvalues, eigenvectors [m, count], degrees [m]) of the graph of ``directions`` [m, C]; fewer where they vanish."""
    affinity = directions @ directions.T
    affinity -= 1
    np.exp(affinity, out=affinity)
    degrees = affinity.sum(axis=1, dtype=np.float64)
    root = np.sqrt(degrees).astype(np.float32)
    affinity /= root
    affinity /= root[:, None]
    m = len(affinity)
    if 4 * count < m:
        values, vectors = eigsh(affinity, count, which="LA", v0=chance.standard_normal(m, np.float32), rng=chance)
        order = np.argsort(-values)
    else:
        values, vectors = scipy.linalg.eigh(affinity, overwrite_a=True)
        order = np.argsort(-values)[:count]
    order = order[values[order] > VANISHING]
    values, vectors = values[order].astype(np.float64), vectors[:, order]
    farthest = np.abs(vectors).argmax(axis=0)
    vectors = vectors * np.sign(vectors[farthest, np.arange(len(values))])
    return values, vectors.astype(np.float32), degrees


def _extension(solved: Floats, degrees: NDArray[np.float64], values: NDArray[np.float64]) -> torch.Tensor:
    """Return the factor [m, count + 1] for a row of affinities: D^-1/2 X' / eigenvalue, and ones for the row's own degree."""
    return torch.from_numpy(
        np.column_stack([solved / np.sqrt(degrees)[:, None] / values, np.ones(len(solved))]).astype(np.float32)
    )


def _extend(directions: Floats, landmarks: Floats, carried: torch.Tensor) -> Floats:
    """Nystrom extension [B, count]: the eigenvectors' own equation, X = D^-1/2 A D^-1/2 X' / eigenvalue, at other nodes."""
    affinity = (torch.from_numpy(directions) @ torch.from_numpy(landmarks).T).sub_(1).exp_()
    sums = affinity @ carried
    extended: Floats = (sums[:, :-1] / sums[:, -1:].sqrt()).numpy()
    return extended


def _average(directions: Floats, landmarks: Floats, solved: Floats, neighbours: int) -> Floats:
    """Equation 4 [B, count]."""
    cosines, rows = most_similar(directions, landmarks, min(neighbours, len(landmarks)))
    weights = np.exp(cosines - 1)
    weights /= weights.sum(axis=1, keepdims=True)
    average: Floats = np.einsum("bk,bkc->bc", weights, solved[rows])
    return average


def _directions(nodes: NDArray[np.floating], rows: slice | NDArray[np.int64]) -> Floats:
    """Normalise these rows to length 1 in float32; a row of zeros stays zero."""
    block: Floats = nodes[rows].astype(np.float32)
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
        finite = np.isfinite(block).all(axis=1)
        if not finite.all():
            first = rows.start + int(np.argmin(finite))
            raise DataError(
                f"spectral embedding: node {first} of {len(nodes)} holds NaN or infinity; give finite features"
            )
        zeros += int((~block.any(axis=1)).sum())
    return (f"{zeros} of {len(nodes)} nodes are nought in every channel: their cosine was taken as 0",) if zeros else ()
