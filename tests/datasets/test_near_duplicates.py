from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from folders import open_folder, responses_of, write_images, write_table
from PIL import Image

from brainbench.datasets import lookalikes, signature, small_images

PICTURES = [Image.fromarray(picture) for picture in small_images(300, 0, 64)[0]]
Change = Callable[[Image.Image], Image.Image]


def saved(image: Image.Image, kind: str, **options: object) -> Image.Image:
    file = io.BytesIO()
    image.save(file, kind, **options)  # type: ignore[arg-type]
    return Image.open(file).convert("RGB")


def mirrored(image: Image.Image) -> Image.Image:
    return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)


CHANGES: dict[str, Change] = {
    "jpeg": lambda image: saved(image, "JPEG", quality=75),
    "half": lambda image: image.resize((32, 32), Image.Resampling.LANCZOS),
    "larger": lambda image: image.resize((150, 150), Image.Resampling.BICUBIC),
    "mirrored": mirrored,
    "mirrored jpeg": lambda image: saved(mirrored(image), "JPEG", quality=85),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_twins_are_found_and_nothing_else(change: Change) -> None:
    images = [*PICTURES, *map(change, PICTURES)]
    pairs = lookalikes([signature(image) for image in images])
    assert pairs == [(index, index + len(PICTURES)) for index in range(len(PICTURES))]


def faint(index: int) -> Image.Image:
    """Water from above: one colour, and waves of a grey level."""
    noise = np.random.default_rng(index)
    waves = noise.normal(0, 0.5, size=(32, 32, 1)).repeat(2, 0).repeat(2, 1)
    return Image.fromarray(np.uint8((40 + waves + noise.normal(0, 0.3, (64, 64, 3))).round()))


@pytest.mark.slow
@pytest.mark.parametrize("change", [CHANGES["half"], CHANGES["larger"], mirrored,
                                    lambda image: saved(image, "JPEG", quality=95)],
                         ids=["half", "larger", "mirrored", "jpeg 95"])  # fmt: skip
def test_twins_of_faint_images_are_found_in_their_detail(change: Change) -> None:
    tiles = [faint(index) for index in range(60)]
    pairs = lookalikes([signature(image) for image in [*tiles, *map(change, tiles)]])
    assert pairs == [(index, index + 60) for index in range(60)]


def test_other_contrast_and_other_brightness_are_other_pictures() -> None:
    waves = np.sin(np.arange(64) / 4)[None, :, None] * np.ones((64, 1, 3))
    gratings = [Image.fromarray(np.uint8(base + size * waves)) for base, size in ((128, 20), (128, 30), (150, 20))]
    assert lookalikes([signature(one) for one in gratings]) == []


def test_gratings_too_fine_to_be_seen_at_8_by_8_are_not_one_picture() -> None:
    place = np.arange(64)
    angles = np.linspace(0, np.pi / 2, 12)  # beyond that, they are mirror images
    waves = [np.sin(1.7 * (np.cos(a) * place[:, None] + np.sin(a) * place)) for a in angles]
    gratings = [Image.fromarray(np.uint8(128 + 60 * one).repeat(3).reshape(64, 64, 3)) for one in waves]
    assert lookalikes([signature(one) for one in gratings]) == []


@pytest.mark.parametrize("count", [0, 1])
def test_few_images(count: int) -> None:
    assert lookalikes([signature(PICTURES[0])] * count) == []


def test_twins_stay_on_one_side_and_are_named(tmp_path: Path) -> None:
    root = tmp_path / "data"
    (root / "images").mkdir(parents=True)
    for index, picture in enumerate(PICTURES[:30]):
        picture.save(root / f"images/{index:03}.png")
        mirrored(picture).save(root / f"images/{index:03}_again.jpg", quality=90)
    np.save(root / "responses.npy", np.random.default_rng(0).normal(size=(60, 5)))
    found = responses_of(open_folder(root))
    assert (found.split[::2] == found.split[1::2]).all()
    note = next(note for note in found.notes if "show one picture" in note)
    assert note.startswith("30 pairs of images show one picture")
    assert "000.png and 000_again.jpg" in note
    assert note.endswith("and 10 more")


def test_a_given_test_set_has_no_twin_in_train(tmp_path: Path) -> None:
    root = tmp_path / "data"
    write_images(root / "images", 0)
    for index, picture in enumerate(PICTURES[:20]):
        picture.save(root / f"images/{index:03}.png")
    PICTURES[0].save(root / "images/020.jpg", quality=80)
    np.save(root / "responses.npy", np.random.default_rng(0).normal(size=(21, 5)))
    splits = ["test" if index < 4 else "val" if index < 7 else "train" for index in range(21)]
    names = [*(f"{index:03}.png" for index in range(20)), "020.jpg"]
    write_table(root / "splits.csv", "image,split", *(",".join(pair) for pair in zip(names, splits, strict=True)))
    found = responses_of(open_folder(root))
    assert 20 not in found.stimulus
    assert any("left 1 images out of train and val: same picture or group as images in test" in n for n in found.notes)
