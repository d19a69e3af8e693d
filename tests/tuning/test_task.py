"""The draw of training images: enough of every class, and no group on both sides."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brainbench import DataError, Labels
from brainbench.tuning.task import draw


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 25)), min_size=8, max_size=80),
    st.integers(1, 12),
    st.integers(0, 5),
    st.booleans(),
)
@settings(max_examples=150, deadline=None)
def test_no_lesion_is_on_both_sides(images: list[tuple[int, int]], per_class: int, seed: int, mixed: bool) -> None:
    """Also where one lesion has several diagnoses (mixed)."""
    present = sorted({label for label, _ in images})
    values = np.array([present.index(label) for label, _ in images])
    groups = tuple(f"{'' if mixed else label}-{lesion}" for label, lesion in images)
    labels = Labels(tuple(map(str, present)), values, groups)
    try:
        found = draw(labels, per_class, seed)
    except DataError:
        return
    side = {kind: {groups[row] for row in rows} for kind, rows in (("train", found.train), ("test", found.test))}
    assert not side["train"] & side["test"]
    counts = np.bincount(values[found.train], minlength=len(present))
    assert counts.min() >= 1
    assert counts.max() <= per_class
    assert set(values[found.test]) == set(range(len(present)))
    again = draw(labels, per_class, seed)
    assert np.array_equal(again.train, found.train)


def test_a_small_class_gives_what_it_has_and_says_so() -> None:
    labels = Labels(("many", "few"), np.repeat([0, 1], [100, 6]))
    found = draw(labels, 50, 0)
    assert found.notes == ("class few gives 3 training images instead of 50",)
    assert np.bincount(labels.values[found.train]).tolist() == [50, 3]
    assert len(found.test) == 53
    with pytest.raises(
        DataError, match="class few has 1 groups of images; at least 2 are needed, to train and to test"
    ):
        draw(Labels(("many", "few"), np.repeat([0, 1], [100, 1])), 50, 0)


def test_a_given_split_is_kept_but_for_groups_that_cross_it() -> None:
    split = np.array(["train"] * 4 + ["val"] * 2 + ["test"] * 4)
    groups = ("a", "b", "c", "d", "e", "f", "a", "b", "g", "h")
    found = draw(Labels(("x", "y"), np.arange(10) % 2, groups, split), 1, 3)
    assert set(found.train) <= {0, 1, 2, 3}
    assert set(found.test) <= {6, 7, 8, 9}
    assert not {groups[row] for row in found.train} & {groups[row] for row in found.test}


def test_fewer_test_images_are_drawn_with_the_seed() -> None:
    labels = Labels(("x", "y"), np.arange(100) % 2)
    first, second = (draw(labels, 5, seed, 20).test for seed in (0, 1))
    assert len(first) == len(second) == 20
    assert not np.array_equal(first, second)
