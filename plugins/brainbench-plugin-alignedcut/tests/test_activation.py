from __future__ import annotations

import numpy as np
import pytest
from brainbench_alignedcut.activation import brain_activation, ground_of, moments, roi_weights

from brainbench import DataError

RNG = np.random.default_rng(0)


def test_the_mean_voxel_is_activated_as_voxels_are_on_average() -> None:
    beta, tokens = RNG.normal(size=(7, 5)), RNG.normal(size=(2, 3, 5)).astype(np.float16)
    rois = {"V1": np.arange(7) < 3, "none": np.zeros(7, bool)}
    names, weights = roi_weights(beta, rois)
    assert names == ("V1", "all")
    every = np.zeros((2, 3, 7))
    for image in range(2):
        for token in range(3):
            for voxel in range(7):
                every[image, token, voxel] = sum(float(tokens[image, token, d]) * beta[voxel, d] for d in range(5))
    found = brain_activation(tokens, weights)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[..., 0], every[..., :3].mean(axis=-1), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(found[..., 1], every.mean(axis=-1), rtol=1e-5, atol=1e-5)


def naive_ground(mask: np.ndarray, grid: tuple[int, int]) -> np.ndarray:
    made = np.empty(grid, np.int8)
    for i in range(grid[0]):
        for j in range(grid[1]):
            inside = [
                mask[r, c]
                for r in range(mask.shape[0])
                for c in range(mask.shape[1])
                if i <= (r + 0.5) * grid[0] / mask.shape[0] < i + 1 and j <= (c + 0.5) * grid[1] / mask.shape[1] < j + 1
            ]
            valid = [value for value in inside if value != 255]
            figure = sum(value != 0 for value in valid) > len(valid) / 2
            made[i, j] = -1 if len(valid) < len(inside) / 2 else int(figure)
    return made


@pytest.mark.parametrize("grid", [(4, 4), (3, 5), (1, 1), (7, 10)])
def test_ground_is_what_most_pixels_of_a_place_are(grid: tuple[int, int]) -> None:
    mask = RNG.choice(np.array([0, 1, 7, 255], np.uint8), size=(17, 22), p=[0.4, 0.2, 0.1, 0.3])
    np.testing.assert_array_equal(ground_of(mask, grid), naive_ground(mask, grid))


def test_a_mask_coarser_than_the_grid_is_repeated() -> None:
    mask = np.array([[0, 3], [255, 0]], np.uint8)
    expected = np.kron(np.array([[0, 1], [-1, 0]]), np.ones((2, 3), int))
    np.testing.assert_array_equal(ground_of(mask, (4, 6)), expected)


def test_a_coloured_mask_is_refused() -> None:
    with pytest.raises(DataError, match=r"shape \[4, 4, 3\]: expected height x width, one class a pixel"):
        ground_of(np.zeros((4, 4, 3), np.uint8), (2, 2))


def test_moments_of_nothing_are_not_a_number() -> None:
    values = RNG.normal(size=(6, 2)).astype(np.float32)
    some = moments(values, np.arange(6) < 4)
    assert some.count == 4
    np.testing.assert_allclose(some.mean, values[:4].mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(some.sd, values[:4].std(axis=0), rtol=1e-6)
    none = moments(values, np.zeros(6, bool))
    assert none.count == 0
    assert np.isnan(none.mean).all()
    assert np.isnan(none.sd).all()
