"""The spectral embedding against scipy and scikit-learn, and what odd nodes get."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg
from brainbench_alignedcut import neighbours
from brainbench_alignedcut.clusters import clusters
from brainbench_alignedcut.spectral import embed
from numpy.typing import NDArray
from sklearn.metrics import adjusted_rand_score
from sklearn.metrics.pairwise import cosine_similarity

from brainbench import DataError, UsageError


def blobs(count: int = 600, spread: float = 0.2, seed: int = 0) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """(nodes about three directions at right angles, of many lengths; which of them)."""
    chance = np.random.default_rng(seed)
    label = chance.integers(3, size=count)
    nodes = np.eye(12)[label] + spread * chance.standard_normal((count, 12))
    return (nodes * chance.uniform(0.1, 10, (count, 1))).astype(np.float32), label


def exact(nodes: NDArray[np.floating], count: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Equation 3 in float64, of all nodes."""
    affinity = np.exp(cosine_similarity(nodes.astype(np.float64)) - 1)
    degree = affinity.sum(axis=1)
    values, vectors = scipy.linalg.eigh(affinity / np.sqrt(np.outer(degree, degree)))
    return values[::-1][:count], vectors[:, ::-1][:, :count]


def angle(left: NDArray[np.floating], right: NDArray[np.floating]) -> float:
    """Largest principal angle, radians."""
    return float(scipy.linalg.subspace_angles(left.astype(np.float64), right).max())


@pytest.mark.parametrize("neighbours", [None, 1])
@pytest.mark.parametrize("nodes", [blobs()[0], blobs(30)[0]], ids=["lanczos", "dense"])
def test_all_nodes_sampled_is_the_exact_solution(nodes: NDArray[np.float32], neighbours: int | None) -> None:
    spectrum = embed(nodes, 8, neighbours=neighbours)
    values, vectors = exact(nodes, 8)
    np.testing.assert_allclose(spectrum.values, values, atol=1e-6)
    assert angle(spectrum.vectors, vectors) < 1e-3
    np.testing.assert_allclose(np.abs((spectrum.vectors * vectors).sum(axis=0)), 1, atol=1e-5)
    assert spectrum.notes == ()
    assert spectrum.vectors.dtype == np.float32
    assert (spectrum.sampled == np.arange(len(nodes))).all()
    assert (np.abs(spectrum.vectors).max(axis=0) == spectrum.vectors.max(axis=0)).all()


def test_extension_is_the_eigenvectors_own_equation() -> None:
    nodes, _ = blobs(200)
    spectrum = embed(nodes, 5, sample=120)
    affinity = np.exp(cosine_similarity(nodes.astype(np.float64), nodes[spectrum.sampled].astype(np.float64)) - 1)
    values, solved = exact(nodes[spectrum.sampled], 5)
    degree = affinity.sum(axis=1)
    expected = affinity / np.sqrt(np.outer(degree, degree[spectrum.sampled])) @ solved / values
    expected *= np.sign(solved[np.abs(solved).argmax(axis=0), np.arange(5)])
    np.testing.assert_allclose(spectrum.vectors, expected, atol=2e-5)


def test_neighbours_are_equation_4() -> None:
    nodes, _ = blobs(200)
    spectrum = embed(nodes, 5, sample=120, neighbours=7)
    _, solved = exact(nodes[spectrum.sampled], 5)
    solved *= np.sign(solved[np.abs(solved).argmax(axis=0), np.arange(5)])
    for node, vector in zip(nodes, spectrum.vectors, strict=True):
        cosine = cosine_similarity(node[None].astype(np.float64), nodes[spectrum.sampled])[0]
        nearest = np.argsort(-cosine)[:7]
        weight = np.exp(cosine[nearest] - 1)
        np.testing.assert_allclose(vector, weight @ solved[nearest] / weight.sum(), atol=2e-5)


def test_a_sample_comes_near_the_exact_solution() -> None:
    nodes, _ = blobs(1500)
    vectors = exact(nodes, 3)[1]
    assert angle(embed(nodes, 3, sample=500).vectors, vectors) < 0.1
    assert angle(embed(nodes, 3, sample=500, neighbours=10).vectors, vectors) < 0.4


@pytest.mark.parametrize("neighbours", [None, 10])
def test_three_blobs_are_three_clusters(neighbours: int | None) -> None:
    nodes, label = blobs(900)
    found = clusters(embed(nodes, 10, sample=200, neighbours=neighbours).vectors, 3)
    assert found.dtype == np.int64
    assert adjusted_rand_score(label, found) == 1


def test_same_seed_same_bytes() -> None:
    nodes, _ = blobs()
    first, again, other = (embed(nodes, 6, sample=200, seed=seed) for seed in (3, 3, 4))
    assert first.vectors.tobytes() == again.vectors.tobytes()
    assert (first.sampled != other.sampled).any()
    assert (clusters(first.vectors, 5, seed=1) == clusters(again.vectors, 5, seed=1)).all()


@pytest.mark.parametrize("near", [None, 10])
def test_blocks_do_not_change_the_result(near: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    nodes, _ = blobs()
    whole = embed(nodes, 6, sample=200, neighbours=near).vectors
    monkeypatch.setattr(neighbours, "BLOCK_BYTES", 7 * 4 * 200)
    np.testing.assert_allclose(embed(nodes, 6, sample=200, neighbours=near).vectors, whole, atol=1e-5)


def test_float16_map_on_disk_and_very_long_nodes(tmp_path) -> None:
    nodes, _ = blobs()
    np.save(tmp_path / "nodes.npy", nodes.astype(np.float16))
    mapped = embed(np.load(tmp_path / "nodes.npy", mmap_mode="r"), 3).vectors
    assert angle(mapped, exact(nodes.astype(np.float16), 3)[1]) < 1e-3
    np.testing.assert_allclose(embed(nodes * np.float32(1e30), 3).vectors, embed(nodes, 3).vectors, atol=1e-5)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_not_finite_names_the_first_node(bad: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "BLOCK_BYTES", 4 * 12 * 100)
    nodes, _ = blobs()
    nodes[[411, 500], 3] = bad
    with pytest.raises(
        DataError, match=r"^spectral embedding: node 411 of 600 holds NaN or infinity; give finite features$"
    ):
        embed(nodes, 3, sample=10)


def test_refused() -> None:
    with pytest.raises(DataError, match=r"nodes of shape \[0, 4\]; give \[nodes, channels\], at least one of each"):
        embed(np.ones((0, 4)), 3)
    with pytest.raises(DataError, match=r"nodes of shape \[4\]; give"):
        embed(np.ones(4), 3)
    for options in ({"count": 0}, {"count": 1, "sample": 0}, {"count": 1, "neighbours": 0}):
        with pytest.raises(UsageError, match=r"is 0; give 1 or more"):
            embed(np.ones((4, 4)), **options)
    with pytest.raises(UsageError, match=r"clusters: k is 0; give 1 or more"):
        clusters(np.ones((4, 4)), 0)
    with pytest.raises(DataError, match=r"clusters: eigenvectors of shape \[4, 4\] must be a finite"):
        clusters(np.full((4, 4), np.nan), 2)


@pytest.mark.parametrize(
    ("nodes", "kept"),
    [
        (blobs(7)[0], 7),
        (np.ones((1, 4)), 1),
        (np.ones((500, 4)), 1),
        (np.repeat(np.eye(4), 100, axis=0), 4),
    ],
    ids=["fewer nodes", "one node", "identical", "four kinds"],
)
def test_fewer_eigenvectors_and_a_note(nodes: NDArray[np.floating], kept: int) -> None:
    spectrum = embed(nodes, 20)
    assert spectrum.vectors.shape == (len(nodes), kept)
    assert spectrum.notes == (f"{kept} of 20 eigenvectors: the graph of {len(nodes)} nodes has no more that count",)
    assert np.isfinite(spectrum.vectors).all()
    assert angle(spectrum.vectors, exact(nodes, kept)[1]) < 1e-3
    assert len(np.unique(clusters(spectrum.vectors, 20))) == min(kept, len(np.unique(nodes, axis=0)))


def test_nodes_of_length_nought_have_cosine_0() -> None:
    nodes, _ = blobs(50)
    nodes[[3, 8]] = 0
    spectrum = embed(nodes, 4)
    assert spectrum.notes == ("2 of 50 nodes are nought in every channel: their cosine was taken as 0",)
    assert angle(spectrum.vectors, exact(nodes, 4)[1]) < 1e-3
