from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from brainbench_alignedcut.labels import class_names, token_labels

from brainbench import DataError, Masks
from brainbench.datasets import VOID

NAMES = ("ground", "cat", "dog")


def masks(*several: np.ndarray) -> Masks:
    return Masks(NAMES, lambda index: several[index])


def slow(mask: np.ndarray, grid: tuple[int, int]) -> np.ndarray:
    """The most frequent class of the pixels whose centres lie in a cell, pixel by pixel."""
    cells: dict[tuple[int, int], Counter[int]] = {}
    for (y, x), value in np.ndenumerate(mask):
        place = int((y + 0.5) / mask.shape[0] * grid[0]), int((x + 0.5) / mask.shape[1] * grid[1])
        if value != VOID:
            cells.setdefault(place, Counter())[int(value)] += 1
    found = np.full(grid, VOID)
    for place, counts in cells.items():
        found[place] = min(counts, key=lambda value: (-counts[value], value))
    return found


@pytest.mark.parametrize("size", [(8, 8), (13, 9), (7, 20), (30, 31)])
def test_labels_are_those_of_a_naive_loop(size: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    several = [rng.choice(np.array([0, 1, 2, VOID], np.uint8), size, p=[0.2, 0.2, 0.1, 0.5]) for _ in range(3)]
    found = token_labels(masks(*several), np.array([0, 2]), (7, 5))
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, [slow(several[0], (7, 5)), slow(several[2], (7, 5))])


def test_void_counts_only_where_there_is_nothing_else() -> None:
    mask = np.full((4, 4), VOID, np.uint8)
    mask[0, 0] = 2
    np.testing.assert_array_equal(token_labels(masks(mask), np.array([0]), (2, 2))[0], [[2, VOID], [VOID, VOID]])


def test_a_mask_coarser_than_the_grid_is_split() -> None:
    mask = np.array([[0, 1], [2, VOID]], np.uint8)
    np.testing.assert_array_equal(
        token_labels(masks(mask), np.array([0]), (4, 4))[0], np.kron(mask, np.ones((2, 2), np.uint8))
    )
    uneven = token_labels(masks(mask), np.array([0]), (3, 5))[0]
    np.testing.assert_array_equal(uneven, slow(np.kron(mask, np.ones((2, 3), np.uint8)), (3, 5)))


def test_figure_is_every_class_but_the_background() -> None:
    mask = np.array([[0, 1], [2, VOID]], np.uint8)
    assert token_labels(masks(mask), np.array([0]), (2, 2), figure=True)[0].tolist() == [[0, 1], [1, VOID]]
    # Two of three figure pixels outvote the ground, though no class of them does.
    mixed = np.array([[0, 1, 2]], np.uint8)
    assert token_labels(masks(mixed), np.array([0]), (1, 1), figure=True).tolist() == [[[1]]]
    assert token_labels(masks(mixed), np.array([0]), (1, 1)).tolist() == [[[0]]]
    assert class_names(masks(), figure=True) == ("ground", "figure")
    assert class_names(masks(), figure=False) == NAMES


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (np.zeros((4, 4, 3), np.uint8), r"mask of image 0 is 4 x 4 x 3 of uint8: expected .*palette's indices"),
        (np.zeros((4, 4), np.int64), r"mask of image 0 is 4 x 4 of int64: expected one 8-bit"),
        (np.full((4, 4), 3, np.uint8), r"image 0 has pixels of value 3: allowed are 0 to 2 \(3 classes\) and 255"),
    ],
)
def test_what_is_no_mask_is_named(mask: np.ndarray, message: str) -> None:
    with pytest.raises(DataError, match=message):
        token_labels(masks(mask), np.array([0]), (2, 2))
