from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from brainbench import DataError, Features
from brainbench.pipeline.shuffled_features import ShuffledFeatures, wrong_images

DIGESTS = [f"{number:02x}" for number in range(50)]


def test_every_image_gets_another_ones_tokens_and_each_is_given_once() -> None:
    for seed in range(20):
        wrong = wrong_images(DIGESTS, seed)
        assert sorted(wrong) == list(range(50))
        assert not (wrong == np.arange(50)).any()


def test_the_seed_says_which() -> None:
    np.testing.assert_array_equal(wrong_images(DIGESTS, 3), wrong_images(DIGESTS, 3))
    assert not np.array_equal(wrong_images(DIGESTS, 3), wrong_images(DIGESTS, 4))


def test_neighbours_are_not_neighbours_any_more() -> None:
    # A shift by one row would keep the order of a film.
    assert np.mean(np.diff(wrong_images(DIGESTS, 0)) == 1) < 0.1


def test_the_same_image_twice_is_never_given_to_itself() -> None:
    digests = ["a", "b", "a", "a", "a", "c", "a"]
    for seed in range(20):
        wrong = wrong_images(digests, seed)
        assert all(digests[source] != digest for source, digest in zip(wrong, digests, strict=True))
        assert len({digests[wrong[row]] for row in (0, 2, 3, 4, 6)}) == 1


def test_what_depends_on_content_does_not_depend_on_the_order_of_rows() -> None:
    rows = np.random.default_rng(0).permutation(50)
    straight, mixed = wrong_images(DIGESTS, 0), wrong_images([DIGESTS[row] for row in rows], 0)
    assert [DIGESTS[rows[source]] for source in mixed] == [DIGESTS[straight[row]] for row in rows]


@pytest.mark.parametrize("digests", [[], ["a"], ["a", "a", "a"]])
def test_one_image_cannot_be_shuffled(digests: list[str]) -> None:
    with pytest.raises(DataError, match=f"{len(digests)} stimuli show .* image: a shuffle needs two or more"):
        wrong_images(digests, 0)


def test_the_view_reads_the_rows_that_stand_in(memory_features: Callable[..., Features]) -> None:
    rng = np.random.default_rng(0)
    local, glob = [rng.normal(size=(6, 3, 2, 2))], [rng.normal(size=(6, 3))]
    plain = memory_features(local, glob)
    source = np.array([1, 2, 3, 4, 5, 0])
    view = ShuffledFeatures(plain, source, 7)
    assert (view.layers, view.channels, view.grids, len(view)) == (plain.layers, plain.channels, plain.grids, 6)
    assert view.key != plain.key
    assert view.key != ShuffledFeatures(plain, source, 8).key
    np.testing.assert_array_equal(view.local_tokens(0), local[0][source])
    np.testing.assert_array_equal(view.local_tokens(0, slice(1, 3)), local[0][[2, 3]])
    np.testing.assert_array_equal(view.global_tokens(0, np.array([5, 0, 0])), glob[0][[0, 1, 1]])
