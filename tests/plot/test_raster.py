from __future__ import annotations

import numpy as np
import pytest
from matplotlib.path import Path as Outline

from brainbench.plot.raster import raster

LOW = np.zeros(2)


def test_every_pixel_inside_a_face_shows_its_nearest_corner() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        corners = rng.uniform(0, 30, (1, 3, 2))
        found = raster(corners, LOW, (30, 30), 1.0)
        y, x = np.mgrid[0:30, 0:30] + 0.5
        centres = np.stack([x.ravel(), y.ravel()], axis=1)
        turn = np.linalg.det(corners[0, 1:] - corners[0, 0])
        outline = Outline(corners[0] if turn > 0 else corners[0][::-1])
        inside = outline.contains_points(centres, radius=-1.0).reshape(30, 30)
        outside = ~outline.contains_points(centres, radius=1.5).reshape(30, 30)
        assert (found[inside] >= 0).all()
        assert (found[outside] == -1).all() or outside.sum() == 0


def test_corners_share_a_face_by_barycentric_weight() -> None:
    corners = np.array([[[0.0, 0.0], [20.0, 0.0], [0.0, 20.0]]])
    found = raster(corners, LOW, (20, 20), 1.0)
    assert (found[0, 0], found[0, 18], found[18, 0]) == (0, 1, 2)
    assert np.bincount(found[found >= 0]) == pytest.approx(np.full(3, (found >= 0).sum() / 3), rel=0.15)


def test_a_later_face_covers_an_earlier_one() -> None:
    small = np.array([[4.0, 4.0], [8.0, 4.0], [4.0, 8.0]])
    large = np.array([[0.0, 0.0], [20.0, 0.0], [0.0, 20.0]])
    assert (raster(np.stack([small, large]), LOW, (20, 20), 1.0)[5:6, 5:6] // 3 == 1).all()
    assert (raster(np.stack([large, small]), LOW, (20, 20), 1.0)[5:6, 5:6] // 3 == 1).all()


def test_what_lies_outside_is_left_out() -> None:
    found = raster(np.array([[[-50.0, -50.0], [5.0, 90.0], [90.0, 5.0]]]), LOW, (10, 12), 1.0)
    assert found.shape == (10, 12)
    assert found[9, 11] >= 0
