from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from brainbench_alignedcut import oracle
from sklearn.metrics import jaccard_score


def score(truth: np.ndarray, said: np.ndarray) -> float:
    return float(jaccard_score(truth, said, average="macro"))


def blurred(seed: int, classes: tuple[int, ...] = (0, 1, 3), spread: float = 0.8) -> tuple[np.ndarray, np.ndarray]:
    """Tokens [200, 4] about a point a class."""
    rng = np.random.default_rng(seed)
    truth = rng.choice(np.array(classes, np.uint8), 200)
    points = rng.normal(size=(max(classes) + 1, 4))
    return (points[truth] + spread * rng.normal(size=(200, 4))).astype(np.float32), truth


@pytest.mark.parametrize("seed", range(4))
def test_centres_and_thresholds_are_those_of_a_naive_loop(seed: int) -> None:
    vectors, truth = blurred(seed)
    best, kept = -1.0, truth
    for step in range(10):
        said = np.zeros(200, int)
        for token, vector in enumerate(vectors.astype(float)):
            largest, nearest = -2.0, 0
            for one in (0, 1, 3):
                centre = vectors[truth == one].astype(float).mean(axis=0)
                cosine = vector @ centre / np.sqrt((vector @ vector) * (centre @ centre))
                if cosine > largest:
                    largest, nearest = cosine, one
            said[token] = nearest if largest >= step / 9 else 0
        if score(truth, said) > best:
            best, kept = score(truth, said), said
    found = oracle.by_centres(vectors, truth)
    np.testing.assert_array_equal(found, kept)
    assert best < 0.95


def test_a_threshold_finds_a_background_without_a_direction() -> None:
    rng = np.random.default_rng(0)
    truth = np.repeat([0, 1, 2], 200)
    figure = np.eye(10)[truth]
    vectors = np.where(truth[:, None] == 0, rng.normal(size=(600, 10)), figure + 0.05 * rng.normal(size=(600, 10)))
    assert score(truth, oracle.by_centres(vectors, truth)) > 0.95


def test_the_background_need_not_be_there() -> None:
    vectors, truth = blurred(0, (1, 2), 0.01)
    np.testing.assert_array_equal(oracle.by_centres(vectors, truth), truth)
    np.testing.assert_array_equal(oracle.by_clusters(vectors, truth, 0), truth)


@pytest.mark.parametrize("seed", range(3))
def test_clusters_are_named_as_the_best_of_all_permutations(seed: int) -> None:
    vectors, truth = blurred(seed, (0, 1, 2, 5), 1.5)
    found = oracle.by_clusters(vectors, truth, seed)
    there, index = np.unique(found, return_inverse=True)
    every = [score(truth, np.array(names)[index]) for names in permutations((0, 1, 2, 5))]
    assert there.tolist() == [0, 1, 2, 5]
    assert score(truth, found) == pytest.approx(max(every))
    assert max(every) > min(every)


def test_clusters_do_not_see_lengths() -> None:
    vectors, truth = blurred(1, (0, 1, 2), 0.1)
    lengths = np.random.default_rng(0).uniform(0.01, 10, (200, 1)).astype(np.float32)
    np.testing.assert_array_equal(oracle.by_clusters(vectors * lengths, truth, 0), truth)


def test_tokens_all_alike_make_one_cluster_and_say_so_to_nobody() -> None:
    truth = np.array([0] * 6 + [1] * 4)
    found = oracle.by_clusters(np.ones((10, 3), np.float32), truth, 0)
    assert set(found.tolist()) == {0}
    assert oracle.by_clusters(np.zeros((10, 3), np.float32), truth, 0).shape == (10,)
