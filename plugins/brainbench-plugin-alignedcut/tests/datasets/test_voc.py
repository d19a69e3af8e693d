from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from brainbench_alignedcut.datasets.cards import VOC2012
from brainbench_alignedcut.datasets.voc_maker import palette
from PIL import Image

from brainbench import DataError, Dataset, UsageError

Load = Callable[..., Any]
Spoil = Callable[[Path], Any]
LISTS = "ImageSets/Segmentation"
VAL = [f"2012_{number:06d}" for number in range(5, 11)]


def files(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def test_images_and_masks_are_those_of_the_list(made_voc: Path, load: Load) -> None:
    dataset = load(VOC2012, made_voc)
    assert isinstance(dataset, Dataset)
    assert (dataset.subjects, dataset.provides) == (("1",), {"masks"})
    assert dataset.responses("1") is None
    assert dataset.dissimilarities("1") is None
    stimuli, masks = dataset.stimuli("1"), dataset.masks("1")
    assert stimuli.ids == tuple(VAL)
    assert len(masks.classes) == 21
    assert [masks.classes[index] for index in (0, 1, 15, 20)] == ["background", "aeroplane", "person", "tvmonitor"]
    for index, name in enumerate(VAL):
        np.testing.assert_array_equal(stimuli.open(index), Image.open(made_voc / "JPEGImages" / f"{name}.jpg"))
        found = masks.load(index)
        # By way of the colours, which others read: VOC's own table of some classes, and of void.
        shown = np.asarray(Image.open(made_voc / "SegmentationClass" / f"{name}.png").convert("RGB"))
        np.testing.assert_array_equal(shown, np.array(palette(), np.uint8)[found])
        assert (found.dtype, found.shape) == (np.uint8, (30, 40))
        assert 255 in found


def test_the_palette_is_vocs() -> None:
    known = {0: (0, 0, 0), 1: (128, 0, 0), 2: (0, 128, 0), 15: (192, 128, 128), 20: (0, 64, 128), 255: (224, 224, 192)}
    assert {index: palette()[index] for index in known} == known


@pytest.mark.parametrize(("split", "count"), [("val", 6), ("train", 4), ("trainval", 10)])
def test_every_split_is_a_list(split: str, count: int, made_voc: Path, load: Load) -> None:
    ids = load(VOC2012, made_voc, split=split).stimuli("1").ids
    assert len(ids) == count
    assert list(ids) == (made_voc / LISTS / f"{split}.txt").read_text().split()


def test_fewer_images_are_the_first(made_voc: Path, load: Load) -> None:
    every, few = load(VOC2012, made_voc), load(VOC2012, made_voc, images=2)
    assert few.stimuli("1").ids == tuple(VAL[:2])
    assert few.version != every.version
    assert load(VOC2012, made_voc, images=100).version == every.version


def test_the_version_is_that_of_the_content(voc: Path, load: Load) -> None:
    before = load(VOC2012, voc).version
    assert load(VOC2012, voc).version == before
    path = voc / "SegmentationClass" / f"{VAL[0]}.png"
    with Image.open(path) as mask:
        colours, changed = mask.getpalette(), np.asarray(mask).copy()
    changed[0, 0] = 7
    image = Image.fromarray(changed)
    image.putpalette(colours or [])
    image.save(path)
    assert load(VOC2012, voc).version != before


def test_what_is_made_is_simulated_and_what_is_not_is_not(voc: Path, load: Load) -> None:
    made = load(VOC2012, voc)
    assert (made.simulated, made.licence) == (True, "MIT")
    (voc / "simulated.txt").unlink()
    real = load(VOC2012, voc)
    assert (real.simulated, real.licence) == (False, None)


def colours(root: Path) -> None:
    """The common export: the palette's colours instead of its indices."""
    path = root / "SegmentationClass" / f"{VAL[2]}.png"
    with Image.open(path) as mask:
        shown = mask.convert("RGB")
    shown.save(path)


def removed(*names: str) -> Spoil:
    return lambda root: [(root / name).unlink() for name in names]


def listed(*ids: str) -> Spoil:
    return lambda root: (root / LISTS / "val.txt").write_text("".join(f"{one}\n" for one in ids))


def mask(pixels: np.ndarray) -> Spoil:
    return lambda root: Image.fromarray(pixels).save(root / "SegmentationClass" / f"{VAL[3]}.png")


SPOILS: dict[str, tuple[Spoil, str]] = {
    "list": (
        removed(f"{LISTS}/val.txt"),
        r"list .*val\.txt cannot be read: No such file .*; unpack VOCtrainval_11-May",
    ),
    "empty list": (listed(), r"list .*val\.txt names no image: unpack"),
    "twice": (
        listed(VAL[0], VAL[1], VAL[0]),
        r"list .*val\.txt names 2012_000005 more than once: leave one line of it",
    ),
    "no image": (
        removed(f"JPEGImages/{VAL[1]}.jpg", f"JPEGImages/{VAL[4]}.jpg"),
        r"no image .*JPEGImages/2012_000006\.jpg \(2 of the 6 images that are listed have none\): unpack VOCtrainval",
    ),
    "no mask": (
        removed(f"SegmentationClass/{VAL[5]}.png"),
        r"no mask .*SegmentationClass/2012_000010\.png \(1 of the 6 images that are listed have none\): unpack",
    ),
    "no masks": (
        lambda root: shutil.rmtree(root / "SegmentationClass"),
        r"no mask .*2012_000005\.png \(6 of the 6 images",
    ),
    "colours": (
        colours,
        r"mask .*2012_000007\.png has mode RGB, but numbers of classes are meant: give the palette's index file instead",
    ),
    "size": (
        mask(np.zeros((40, 30), np.uint8)),
        r"mask .*2012_000008\.png is 30 x 40 pixels, but its image is 40 x 30: make them equal",
    ),
    "value": (
        mask(np.full((30, 40), 38, np.uint8)),
        r"2012_000008\.png has pixels of value 38; classes are 0 \(background\) to 20 \(tvmonitor\), and 255 marks no class",
    ),
    "damaged": (
        lambda root: (root / "JPEGImages" / f"{VAL[0]}.jpg").write_bytes(b"\xff\xd8"),
        r"image .*2012_000005\.jpg cannot be decoded",
    ),
}


@pytest.mark.parametrize("case", SPOILS)
def test_what_does_not_fit_is_one_line(case: str, voc: Path, load: Load) -> None:
    load(VOC2012, voc)
    spoil, message = SPOILS[case]
    spoil(voc)
    with pytest.raises(DataError, match=message) as error:
        load(VOC2012, voc)
    assert "\n" not in str(error.value)


def test_a_class_without_a_pixel_is_none_of_its_business(voc: Path, load: Load) -> None:
    mask(np.zeros((30, 40), np.uint8))(voc)
    assert load(VOC2012, voc).masks("1").load(3).max() == 0


@pytest.mark.parametrize("where", ["..", "../..", "JPEGImages", LISTS])
def test_another_level_names_the_right_one(where: str, voc: Path, load: Load) -> None:
    inner = voc.parent / "a" / "VOCdevkit"
    inner.mkdir(parents=True)
    moved = voc.rename(inner / "VOC2012")
    given = (moved / where).resolve()
    with pytest.raises(DataError, match=rf"{given} is not the folder that holds JPEGImages, .*: give --data {moved}$"):
        load(VOC2012, given)


def test_nothing_far_and_wide(tmp_path: Path, voc: Path, load: Load) -> None:
    with pytest.raises(
        DataError, match=r"no voc2012 in .*home: --data names the folder that holds JPEGImages, Segment"
    ):
        load(VOC2012, tmp_path / "a" / "b" / "home")
    shutil.copytree(voc, tmp_path / "two" / "1")
    shutil.copytree(voc, tmp_path / "two" / "2")
    with pytest.raises(DataError, match=r"no voc2012 in .*two"):
        load(VOC2012, tmp_path / "two")
    with pytest.raises(UsageError, match=r"dataset voc2012 needs --data PATH: the folder that holds JPEGImages"):
        load(VOC2012, None)


def test_there_is_one_subject(made_voc: Path, load: Load) -> None:
    dataset = load(VOC2012, made_voc)
    for ask in (dataset.stimuli, dataset.responses, dataset.masks, dataset.dissimilarities):
        with pytest.raises(UsageError, match=r"no subject '2'; a set of images and masks has one, '1'"):
            ask("2")


def test_contents_name_what_is_there_and_where_one_gets_it(voc: Path) -> None:
    assert VOC2012.contents is not None
    parts = VOC2012.contents(data=voc, settings=VOC2012.own_settings({}))
    assert [(part.what, part.there, part.detail) for part in parts] == [
        ("list of images, val", True, ""),
        ("images", True, "10 images"),
        ("masks", True, "10 masks"),
    ]
    assert parts[1].size == sum(path.stat().st_size for path in (voc / "JPEGImages").iterdir())
    assert all(part.needed and "VOCtrainval_11-May-2012.tar" in part.source for part in parts)
    shutil.rmtree(voc / "SegmentationClass")
    (voc / LISTS / "train.txt").unlink()
    parts = VOC2012.contents(data=voc, settings=VOC2012.own_settings({"split": "train"}))
    assert [(part.place.name, part.there) for part in parts] == [
        ("train.txt", False),
        ("JPEGImages", True),
        ("SegmentationClass", False),
    ]


def test_the_same_seed_makes_the_same_bytes(tmp_path: Path, maker: Callable[..., Path]) -> None:
    small = {"images": 2, "train_images": 1, "width": 20, "height": 16}
    one, two = maker(VOC2012, tmp_path / "one", **small), maker(VOC2012, tmp_path / "two", **small)
    assert files(one) == files(two)
    three = maker(VOC2012, tmp_path / "three", **small, seed=1)
    assert files(three / "JPEGImages") != files(one / "JPEGImages")
    assert (one / "simulated.txt").read_text().startswith("Simulated, no photographs")
