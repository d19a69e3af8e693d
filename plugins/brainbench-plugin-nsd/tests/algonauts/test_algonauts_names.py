from __future__ import annotations

from pathlib import Path

import pytest
from brainbench_nsd.algonauts.names import read_names

from brainbench import DataError


def folder(place: Path, *names: str) -> Path:
    place.mkdir(exist_ok=True)
    for name in names:
        (place / name).touch()
    return place


def test_numbers_give_the_order_and_nsd_images(tmp_path: Path) -> None:
    names = [f"train-{row:04}_nsd-{70_000 - row:05}.png" for row in range(1, 13)]
    shown = read_names(folder(tmp_path, *reversed(names), "._train-0001_nsd-00001.png", "notes.txt"), "train")
    assert shown.files == tuple(names)
    assert shown.nsd == tuple(range(69_999, 69_987, -1))


def test_order_is_that_of_numbers_not_of_text(tmp_path: Path) -> None:
    names = [f"test-{row}_nsd-00001.png" for row in range(1, 12)]
    assert read_names(folder(tmp_path, *names), "test").files[1] == "test-2_nsd-00001.png"


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["train-0001_nsd-00013.png", "train-0004_nsd-00021.png"], r"image train-0002 is missing \(2 of 4 are\): the num"),
        (["train-0002_nsd-00013.png"], r"image train-0001 is missing \(1 of 2 are\)"),
        (["train-0000_nsd-00013.png", "train-0001_nsd-00021.png"], r"numbers start at 0"),
        (["train-0001_nsd-00013.png", "train-0001_nsd-00021.png"], r"00013\.png and .*00021\.png, two with one number"),
        (["test-0001_nsd-00013.png"], r"test-0001_nsd-00013\.png is not named as .* \(train-0001_nsd-00013\.png\): move"),
        (["train-0001_nsd-00013 (1).png"], r"\(1\)\.png is not named as"),
        ([], r"no images in"),
    ],
)  # fmt: skip
def test_what_is_refused(names: list[str], message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message) as error:
        read_names(folder(tmp_path / "images", *names), "train")
    assert "\n" not in str(error.value)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no folder .*images: it must hold the images test-0001_nsd-00013\.png"):
        read_names(tmp_path / "images", "test")
