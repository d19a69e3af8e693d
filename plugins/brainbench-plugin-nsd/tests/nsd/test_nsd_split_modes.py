from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from brainbench_nsd.nsd.design import read_design
from brainbench_nsd.nsd.layout import Layout
from brainbench_nsd.nsd.splits import split_images

from brainbench import DataError
from brainbench.datasets import ArraySource, Measured, survey

Load = Callable[..., Any]


@pytest.mark.parametrize("how", ["image", "shared1000"])
@pytest.mark.parametrize("average", [False, True])
def test_no_image_is_on_two_sides_whatever_the_design(how: str, average: bool, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for design in range(60):
        shown = rng.integers(0, 150, int(rng.integers(200, 400)))
        images, stimulus = np.unique(shown, return_inverse=True)
        contents = [str(number // rng.integers(1, 3)) for number in images.tolist()]  # some images are alike
        split, _ = split_images(how, images, contents, np.arange(0, 150, 10), design)
        values = rng.standard_normal((len(shown), 4)).astype(np.float32)
        source = ArraySource(f"{how} {average} {design}", tmp_path, (values,))
        found = survey(Measured("1", source, stimulus, split[stimulus], average=average), tmp_path)
        sides: dict[str, set[str]] = defaultdict(set)
        for row, side in zip(found.stimulus.tolist(), found.split.tolist(), strict=True):
            sides[contents[row]].add(side)
        assert all(len(seen) == 1 for seen in sides.values())
        assert set.union(*sides.values()) == {"train", "val", "test"}


@pytest.mark.parametrize("repeats", ["trials", "average"])
def test_a_shared_image_is_on_one_side_for_both_subjects(repeats: str, made: Path, load: Load) -> None:
    dataset = load(made, repeats=repeats)
    sides: dict[str, set[str]] = defaultdict(set)
    for name in ("1", "2"):
        responses, ids = dataset.survey(name), dataset.stimuli(name).ids
        for row, side in zip(responses.stimulus.tolist(), responses.split.tolist(), strict=True):
            sides[ids[row]].add(side)
    assert all(len(seen) == 1 for seen in sides.values())


def test_shared1000_tests_on_the_shared_images_alone(made: Path, load: Load) -> None:
    dataset = load(made, split="shared1000")
    responses, ids = dataset.survey("1"), np.array(dataset.stimuli("1").ids)
    shared = {f"nsd-{number:05d}" for number in read_design(Layout(made), "1").shared.tolist()}
    tested = set(ids[responses.stimulus[responses.split == "test"]].tolist())
    assert tested == shared & set(ids.tolist())
    others = set(ids[responses.stimulus[responses.split != "test"]].tolist())
    val = set(ids[responses.stimulus[responses.split == "val"]].tolist())
    assert len(val) == round(0.1 * len(others))
    assert f"test is the {len(tested)} shared images that this subject saw" in responses.notes


def test_the_seed_changes_the_split(made: Path, load: Load) -> None:
    hashes = {load(made, split_seed=seed).survey("1").split_hash for seed in (0, 1)}
    assert len(hashes) == 2


def test_a_split_without_test_images_is_refused() -> None:
    with pytest.raises(DataError, match="the split shared1000 of 3 images"):
        split_images("shared1000", np.array([1, 2, 3]), ["a", "b", "c"], np.array([9]), 0)
