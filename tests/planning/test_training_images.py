from __future__ import annotations

import numpy as np
import pytest

from brainbench import Responses, UsageError
from brainbench.planning.dataset import train_images, trained_on

STIMULI, REPEATS, VOXELS = 40, 3, 4


def responses() -> Responses:
    """Forty stimuli seen three times each, trials in no order; a quarter of the stimuli for val and test together."""
    stimulus = np.random.default_rng(0).permutation(np.repeat(np.arange(STIMULI), REPEATS))
    split = np.array(["train", "train", "train", "val", "train", "train", "train", "test"] * (STIMULI // 8))[stimulus]
    values = np.arange(len(stimulus) * VOXELS, dtype=np.float32).reshape(-1, VOXELS)
    return Responses("7", values, stimulus, split, "key", notes=("a note",), rois={"V1": np.ones(VOXELS, bool)})


def fewer(images: int) -> Responses:
    return trained_on(responses(), images, "data.train_images")


def test_repeats_stay_together_and_rows_keep_their_stimulus() -> None:
    every, some = responses(), fewer(5)
    assert len(train_images(some)) == 5
    assert len(some.rows("train")) == 5 * REPEATS
    known = {tuple(values): seen for values, seen in zip(every.values, every.stimulus, strict=True)}
    assert [known[tuple(values)] for values in some.values] == some.stimulus.tolist()


def test_val_and_test_stay_as_they_are() -> None:
    every, some = responses(), fewer(5)
    for split in ("val", "test"):
        before, after = every.rows(split), some.rows(split)  # type: ignore[arg-type]
        np.testing.assert_array_equal(some.values[after], every.values[before])
        np.testing.assert_array_equal(some.stimulus[after], every.stimulus[before])
    assert some.rois is not None
    assert list(some.rois) == ["V1"]


def test_a_smaller_set_lies_within_a_larger_one() -> None:
    sets = [set(train_images(fewer(images)).tolist()) for images in (1, 5, 12, 30)]
    assert [len(one) for one in sets] == [1, 5, 12, 30]
    assert sets[0] < sets[1] < sets[2] < sets[3] == set(train_images(responses()).tolist())
    assert sets[1] != set(sorted(sets[3])[:5])  # drawn, not the first in the dataset's order


def test_size_shows_in_key_split_hash_and_notes() -> None:
    found = [responses(), fewer(5), fewer(12)]
    assert len({one.key for one in found}) == len({one.split_hash for one in found}) == 3
    assert fewer(5).key == found[1].key
    assert found[1].notes == ("a note", "trained on 5 of 30 training images")


@pytest.mark.parametrize("images", [31, 1000])
def test_more_than_there_are_is_an_error_that_says_how_many(images: int) -> None:
    message = f"--set data.train_images={images}: subject 7 has 30 training images; allowed are 1 to 30, or 0 for all"
    with pytest.raises(UsageError, match=message):
        fewer(images)
