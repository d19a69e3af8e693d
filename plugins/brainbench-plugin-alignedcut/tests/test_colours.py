"""Spectral-tSNE: places and colours, carried to all nodes by the nearest."""

from __future__ import annotations

import numpy as np
import pytest
from brainbench_alignedcut.colours import colours, plane, space
from numpy.typing import NDArray
from sklearn.manifold import TSNE
from sklearn.neighbors import NearestNeighbors

from brainbench import DataError


@pytest.fixture(scope="module")
def vectors() -> NDArray[np.float32]:
    """Eigenvectors of 150 nodes in three groups."""
    chance = np.random.default_rng(0)
    return (np.eye(6)[np.arange(150) % 3] + 0.1 * chance.standard_normal((150, 6))).astype(np.float32)


@pytest.mark.slow
def test_groups_stay_together_and_so_do_bytes(vectors: NDArray[np.float32]) -> None:
    seen = colours(vectors)
    assert (seen.shape, seen.dtype) == ((150, 3), np.uint8)
    assert seen.tobytes() == colours(vectors).tobytes()
    middles = np.array([seen[kind::3].mean(axis=0) for kind in range(3)])
    nearest = np.linalg.norm(seen[:, None] - middles, axis=2).argmin(axis=1)
    assert (nearest == np.arange(150) % 3).all()
    places = space(vectors)
    share = (places - places.min(axis=0)) / (places.max(axis=0) - places.min(axis=0))
    np.testing.assert_allclose(seen, 255 * share, atol=0.51)


@pytest.mark.slow
def test_places_are_scikit_learns(vectors: NDArray[np.float32]) -> None:
    nodes, order = np.unique(vectors, axis=0, return_inverse=True)
    reference = TSNE(2, init="pca", random_state=3, perplexity=30, learning_rate=150 / 48)
    expected = reference.fit_transform(nodes)[order]
    np.testing.assert_array_equal(plane(vectors, seed=3), expected)


def test_others_take_the_place_of_the_nearest(vectors: NDArray[np.float32]) -> None:
    places = plane(vectors, sample=40)
    assert places.dtype == np.float32
    drawn = np.sort(np.random.default_rng(0).choice(150, 40, replace=False))
    nearest = NearestNeighbors(n_neighbors=1).fit(vectors[drawn]).kneighbors(vectors)[1][:, 0]
    np.testing.assert_array_equal(places, places[drawn][nearest])
    assert len(np.unique(places, axis=0)) == 40


@pytest.mark.parametrize("count", [1, 2, 9, 50])
@pytest.mark.parametrize("width", [1, 2, 6])
def test_few_or_identical_nodes(count: int, width: int) -> None:
    same = np.ones((count, width), np.float32)
    assert (colours(same) == 128).all()
    assert (plane(same) == 0).all()
    assert space(same).shape == (count, 3)


def test_few_different_nodes_keep_their_distances() -> None:
    chance = np.random.default_rng(0)
    few = chance.standard_normal((6, 3)).astype(np.float32)
    places = space(few[[0, 1, 2, 3, 4, 5, 0]])
    expected = np.linalg.norm(few[:, None] - few, axis=2)
    np.testing.assert_allclose(np.linalg.norm(places[:6, None] - places[:6], axis=2), expected, atol=1e-5)
    np.testing.assert_array_equal(places[6], places[0])


@pytest.mark.parametrize("bad", [np.full((3, 2), np.nan), np.ones(3), np.ones((0, 2))])
def test_refused(bad: NDArray[np.floating]) -> None:
    with pytest.raises(
        DataError, match=r"t-SNE: eigenvectors of shape \[.*\] must be a finite \[nodes, eigenvectors\] table"
    ):
        colours(bad)
