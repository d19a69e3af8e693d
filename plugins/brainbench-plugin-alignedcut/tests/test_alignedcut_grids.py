from __future__ import annotations

import numpy as np
import pytest
from brainbench_alignedcut.grids import common_grid, on_grid
from memory import memory_features


@pytest.fixture
def layers() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.normal(size=(5, 3, side, side)).astype(np.float16) for side in (7, 14, 28)]


def test_layers_meet_where_they_are_alike_else_on_14_or_where_one_asks(layers: list[np.ndarray]) -> None:
    unlike, alike = memory_features(layers), memory_features([layers[0], layers[0]])
    assert common_grid(unlike, 0) == (14, 14)
    assert common_grid(alike, 0) == (7, 7)
    assert common_grid(alike, 4) == (4, 4)
    assert on_grid(alike, (7, 7)) is alike


def test_tokens_are_brought_to_the_grid_as_they_are_read(layers: list[np.ndarray]) -> None:
    features = memory_features(layers)
    view = on_grid(features, (14, 14))
    assert view.grids == ((14, 14),) * 3
    assert (view.layers, view.channels, len(view)) == (features.layers, features.channels, 5)
    assert view.key == "memory on 14 x 14"
    rows = np.array([1, 3])
    np.testing.assert_array_equal(view.local_tokens(1, rows), layers[1][rows])
    np.testing.assert_array_equal(view.global_tokens(2, rows), features.global_tokens(2, rows))
    for layer in range(3):
        assert view.local_tokens(layer, rows).dtype == np.float16
        assert view.local_tokens(layer, rows).shape == (2, 3, 14, 14)


def test_interpolation_is_bilinear_with_antialias_when_shrinking() -> None:
    ramp = np.linspace(0, 1, 28, dtype=np.float32)[None, None, :, None].repeat(28, axis=3)
    small = on_grid(memory_features([ramp]), (7, 7)).local_tokens(0)[0, 0]
    # Rows are weighted by the triangle of width 2 x 4 about the place's middle; away from the edge that is the middle itself.
    middles = (np.arange(7) + 0.5) * 4 - 0.5
    np.testing.assert_allclose(small[1:-1], np.repeat(middles[1:-1, None] / 27, 7, axis=1), atol=1e-6)
    # Two rows in every four, just those that bilinear interpolation alone would look at.
    stripes = (
        np.where(np.isin(np.arange(28) % 4, [1, 2]), 1.0, -1.0)
        .astype(np.float32)[None, None, :, None]
        .repeat(28, axis=3)
    )
    assert np.abs(on_grid(memory_features([stripes]), (7, 7)).local_tokens(0)[0, 0, 1:-1]).max() < 1e-6
    large = on_grid(memory_features([ramp[:, :, ::4, ::4]]), (14, 14)).local_tokens(0)[0, 0]
    places = ((np.arange(14) + 0.5) / 2 - 0.5)[1:-1]
    np.testing.assert_allclose(large[1:-1, 0], np.interp(places, np.arange(7), ramp[0, 0, ::4, 0]), atol=1e-6)
