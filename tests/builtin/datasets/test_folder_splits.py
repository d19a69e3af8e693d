from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from brainbench.builtin.datasets.folder.card import FOLDER
from brainbench.datasets.splits import automatic_split, given_split, units


def digests(count: int) -> list[str]:
    return [hashlib.sha256(str(index).encode()).hexdigest() for index in range(count)]


def sides(split: np.ndarray, unit: np.ndarray) -> int:
    """The largest number of splits that one unit is on."""
    return max(len(set(split[unit == u]) - {""}) for u in set(unit))


def test_units_are_the_connected_components_of_content_and_group() -> None:
    noise = np.random.default_rng(0)
    content = [str(value) for value in noise.integers(0, 60, 80)]
    groups = [str(value) if value < 50 else "" for value in noise.integers(0, 90, 80)]
    edges = [
        (i, j)
        for i in range(80)
        for j in range(80)
        if content[i] == content[j] or (groups[i] == groups[j] and groups[i])
    ]
    graph = coo_array((np.ones(len(edges)), np.array(edges).T), shape=(80, 80))
    _, expected = connected_components(graph, directed=False)
    found = units(content, groups)
    np.testing.assert_array_equal(found[:, None] == found, expected[:, None] == expected)


def test_automatic_split_is_8_1_1_and_follows_content_alone() -> None:
    content = digests(100)
    alone = units(content, [""] * 100)
    split = automatic_split(content, alone, seed=0)
    assert [int((split == name).sum()) for name in ("train", "val", "test")] == [80, 10, 10]
    order = np.random.default_rng(1).permutation(100)
    shuffled = automatic_split([content[i] for i in order], alone, seed=0)
    np.testing.assert_array_equal(shuffled, split[order])
    assert (automatic_split(content, alone, seed=1) != split).any()


@pytest.mark.parametrize("seed", range(5))
def test_no_unit_is_on_two_sides(seed: int) -> None:
    noise = np.random.default_rng(seed)
    content = [digests(70)[i] for i in noise.integers(0, 70, 100)]
    unit = units(content, [str(value) if value < 20 else "" for value in noise.integers(0, 60, 100)])
    assert sides(automatic_split(content, unit, seed), unit) == 1
    given = noise.choice(["train", "val", "test", ""], 100)
    split, _ = given_split(given, content, unit, seed)
    assert sides(split, unit) == 1
    without_val, _ = given_split(np.where(given == "val", "train", given), content, unit, seed)
    assert sides(without_val, unit) == 1
    assert (without_val == "val").any()


def test_copies_of_test_images_leave_the_others_and_never_test() -> None:
    content = ["a", "a", "a", "b", "b", "c", "d"]
    given = np.array(["test", "train", "val", "val", "train", "train", ""])
    split, notes = given_split(given, content, units(content, [""] * 7), seed=0)
    assert split.tolist() == ["test", "", "", "val", "", "train", ""]
    assert notes == [
        "1 of 7 images have no line in splits.csv and were left out",
        "left 2 images out of train and val: same picture or group as images in test",
        "left 1 images out of train: same picture or group as images in val",
    ]


def test_a_tenth_of_train_becomes_val_where_none_is_given() -> None:
    content = digests(100)
    given = np.array(["test"] * 20 + ["train"] * 80)
    split, notes = given_split(given, content, units(content, [""] * 100), seed=3)
    assert (split[:20] == "test").all()
    assert int((split == "val").sum()) == 8
    assert notes == ["val is 8 of 80 train images, chosen by a hash of their content (split_seed 3)"]


def test_rows_of_copies_are_left_out_of_the_responses(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    noise = np.random.default_rng(0)
    for index in range(20):
        Image.fromarray(noise.integers(0, 256, (4, 4, 3), dtype=np.uint8)).save(tmp_path / "images" / f"{index:02}.png")
    # The same pixels in another file: found by content, not by bytes.
    Image.open(tmp_path / "images" / "00.png").save(tmp_path / "images" / "19.png", compress_level=0)
    values = noise.normal(size=(20, 3))
    np.save(tmp_path / "responses.npy", values)
    lines = [f"{index:02}.png,{'test' if index < 5 else 'train'}" for index in range(20)]
    (tmp_path / "splits.csv").write_text("image,split\n" + "\n".join(lines))
    dataset: Any = FOLDER.loader(settings=FOLDER.resolve_settings({}), data=tmp_path, cache=tmp_path / "cache")
    responses = dataset.responses("1")
    assert responses.stimulus.tolist() == list(range(19))
    np.testing.assert_array_equal(responses.values, values[:19].astype(np.float32))
    assert responses.rows("test").tolist() == [0, 1, 2, 3, 4]
    assert "left 1 images out of train and val: same picture or group as images in test" in responses.notes
    assert any(note.startswith("1 of 20 images repeat another's content") for note in responses.notes)
