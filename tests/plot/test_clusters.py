from __future__ import annotations

import numpy as np
import pytest
from cortices import planted
from scipy.cluster.hierarchy import fcluster, linkage
from sklearn.metrics import adjusted_rand_score

from brainbench import UsageError
from brainbench.plot import channel_clusters

RNG = np.random.default_rng(0)


def blobs(centres: np.ndarray, each: int, spread: float) -> tuple[np.ndarray, np.ndarray]:
    names = np.repeat(np.arange(len(centres)), each)
    order = RNG.permutation(len(names))
    weights = (centres[names] + spread * RNG.normal(size=(len(names), centres.shape[1])))[order]
    return weights, names[order]


def test_planted_clusters_are_found() -> None:
    weights, names = blobs(RNG.normal(size=(20, 8)) * 5, 30, 0.1)
    assert adjusted_rand_score(names, channel_clusters(weights)) == pytest.approx(1)


def test_they_are_those_of_the_kernels_rows() -> None:
    # Groups apart in the rows of w'w, which stretch what many voxels read: the published procedure, written out.
    weights, _ = blobs(RNG.normal(size=(6, 5)) * 4, 20, 0.05)
    kernel = weights @ weights.T
    expected = fcluster(linkage(kernel, "ward"), 6, "maxclust")
    assert adjusted_rand_score(expected, channel_clusters(weights, clusters=6)) == pytest.approx(1)


def test_neighbouring_labels_are_alike() -> None:
    line = np.zeros((20, 3))
    line[:, 0] = RNG.permutation(20) + 1
    weights, _ = blobs(line, 30, 0.01)
    labels = channel_clusters(weights)
    means = [weights[labels == label, 0].mean() for label in range(20)]
    assert np.all(np.diff(means) > 0) or np.all(np.diff(means) < 0)


def test_the_same_weights_give_the_same_labels() -> None:
    weights = RNG.normal(size=(500, 16))
    first = channel_clusters(weights)
    np.testing.assert_array_equal(first, channel_clusters(weights.copy()))
    assert set(first) == set(range(20))


def test_few_voxels_have_fewer_clusters() -> None:
    assert set(channel_clusters(RNG.normal(size=(23, 4)))) == set(range(4))
    assert set(channel_clusters(np.ones((40, 4)))) == {0}


@pytest.mark.parametrize("channel", [np.ones((9, 4)), np.full((40, 4), np.nan)], ids=["few", "nan"])
def test_what_cannot_be_clustered_is_said(channel: np.ndarray) -> None:
    with pytest.raises(UsageError, match="clusters need ten"):
        channel_clusters(channel)


def test_planted_channels_make_connected_clusters_of_smooth_maps() -> None:
    voxels = planted()
    assert voxels.channel is not None
    assert voxels.surface is not None
    labels = channel_clusters(voxels.channel)
    alike = np.mean(labels[1:] == labels[:-1])
    shuffled = RNG.permutation(labels)
    assert alike > np.mean(shuffled[1:] == shuffled[:-1])
