from __future__ import annotations

import numpy as np
import pytest
from brainbench_alignedcut import concepts
from brainbench_alignedcut.concepts import farthest_points, find_balls, nearest_concept, transitions
from scipy.spatial.distance import cdist

from brainbench import DataError

RNG = np.random.default_rng(0)


def naive_farthest(points: np.ndarray, count: int) -> list[int]:
    middle = points.mean(axis=0)
    chosen = [max(range(len(points)), key=lambda i: float(np.linalg.norm(points[i] - middle)))]
    while len(chosen) < count:
        gaps = [min(float(np.linalg.norm(points[i] - points[j])) for j in chosen) for i in range(len(points))]
        chosen.append(int(np.argmax(gaps)))
    return chosen


def test_each_point_is_the_farthest_from_those_before(monkeypatch: pytest.MonkeyPatch) -> None:
    points = RNG.normal(size=(60, 3))
    expected = naive_farthest(points, 9)
    assert farthest_points(points, 9).tolist() == expected
    monkeypatch.setattr(concepts, "_BLOCK", 7)
    assert farthest_points(points, 9).tolist() == expected


def test_no_two_concepts_are_at_one_place() -> None:
    points = np.repeat(RNG.normal(size=(3, 2)), 5, axis=0)
    chosen = farthest_points(points, 10)
    assert len(chosen) == 3
    assert len(np.unique(points[chosen], axis=0)) == 3


@pytest.mark.parametrize("points", [np.zeros((0, 2)), np.array([[0, np.nan]])])
def test_points_have_to_be_there_and_finite(points: np.ndarray) -> None:
    with pytest.raises(DataError, match="concepts need one point at least, all finite"):
        farthest_points(points, 2)


def test_no_concepts_cannot_be_found() -> None:
    with pytest.raises(DataError, match="0 concepts: at least 1 is needed"):
        farthest_points(np.zeros((3, 2)), 0)


def test_balls_hold_what_is_nearer_than_half_the_way_to_any_other() -> None:
    points, activation = RNG.normal(size=(200, 3)), RNG.normal(size=(200, 4))
    balls = find_balls(points, activation, 4)
    distances = cdist(points, points[balls.centres])
    apart = cdist(points[balls.centres], points[balls.centres])
    assert balls.radius == pytest.approx(apart[apart > 0].min() / 2)
    for number in range(4):
        inside = distances[:, number] < balls.radius
        assert balls.members[number] == inside.sum() > 0
        np.testing.assert_allclose(balls.mean[number], activation[inside].mean(axis=0), rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(balls.sd[number], activation[inside].std(axis=0), rtol=1e-5, atol=1e-6)
    assert ((distances < balls.radius).sum(axis=1) <= 1).all()


def test_points_that_are_all_alike_are_one_concept() -> None:
    activation = RNG.normal(size=(6, 2))
    balls = find_balls(np.ones((6, 3)), activation, 5)
    assert balls.members.tolist() == [6]
    assert balls.radius == 0
    np.testing.assert_allclose(balls.mean[0], activation.mean(axis=0), rtol=1e-6)


def test_a_token_is_of_the_nearest_concept() -> None:
    points, centres = RNG.normal(size=(50, 3)), RNG.normal(size=(4, 3))
    np.testing.assert_array_equal(nearest_concept(points, centres), cdist(points, centres).argmin(axis=1))


def test_transitions_are_shares_of_the_rows_tokens() -> None:
    before, after = RNG.integers(0, 3, 100), RNG.integers(0, 4, 100)
    found = transitions(before, after, (4, 4))
    for row in range(3):
        for column in range(4):
            pairs = [b == row and a == column for b, a in zip(before, after, strict=True)]
            assert found[row, column] == pytest.approx(sum(pairs) / int((before == row).sum()))
    np.testing.assert_allclose(found[:3].sum(axis=1), 1)
    assert np.isnan(found[3]).all()
