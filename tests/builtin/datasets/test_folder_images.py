from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from brainbench.datasets.images import list_images, open_rgb, other_files
from brainbench.datasets.rois import canonical_roi


def reopened(image: Image.Image, tmp_path: Path, **options: object) -> np.ndarray:
    image.save(tmp_path / "image.png", **options)  # type: ignore[arg-type]
    return np.asarray(open_rgb(tmp_path / "image.png"))


def test_rgb_is_left_as_it_is(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    np.testing.assert_array_equal(reopened(Image.fromarray(pixels), tmp_path), pixels)


def test_grey_is_repeated(tmp_path: Path) -> None:
    pixels = np.arange(35, dtype=np.uint8).reshape(5, 7)
    np.testing.assert_array_equal(reopened(Image.fromarray(pixels), tmp_path), np.stack([pixels] * 3, axis=-1))


def test_16_bits_are_scaled_to_8(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 65536, (50, 70), dtype=np.uint16)
    found = reopened(Image.fromarray(pixels), tmp_path)
    np.testing.assert_array_equal(found[..., 1], np.rint(pixels.astype(np.float64) * 255 / 65535))


def test_transparency_is_composited_on_mid_grey(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 4), dtype=np.uint8)
    pixels[0, :, 3], pixels[1, :, 3] = 0, 255
    found = reopened(Image.fromarray(pixels), tmp_path)
    alpha = pixels[..., 3:] / 255
    assert np.abs(found - (alpha * pixels[..., :3] + (1 - alpha) * 128)).max() <= 1
    np.testing.assert_array_equal(found[0], np.full((7, 3), 128))
    np.testing.assert_array_equal(found[1], pixels[1, :, :3])


def test_grey_with_alpha_is_composited_too(tmp_path: Path) -> None:
    found = reopened(Image.new("LA", (2, 2), (0, 0)), tmp_path)
    np.testing.assert_array_equal(found, np.full((2, 2, 3), 128))


@pytest.mark.parametrize("transparency", [None, 1, b"\xff\x00"])
def test_palette(tmp_path: Path, transparency: int | bytes | None) -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 200, 210, 220])
    image.putpixel((1, 0), 1)
    found = reopened(image, tmp_path, **({} if transparency is None else {"transparency": transparency}))
    second = [200, 210, 220] if transparency is None else [128, 128, 128]
    assert found.tolist() == [[[10, 20, 30], second]]


def test_images_are_found_by_suffix_in_any_case(tmp_path: Path) -> None:
    (tmp_path / "f").mkdir()
    for name in ("b.JPG", "a.png", "c.jpeg", "._a.png", "notes.txt", "d.gif", "e.webp", "f/a.bmp", "f/b.TIFF", "g.svg"):
        (tmp_path / name).touch()
    assert list_images(tmp_path) == ["a.png", "b.JPG", "c.jpeg", "d.gif", "e.webp", "f/a.bmp", "f/b.TIFF"]
    assert other_files(tmp_path) == ["g.svg", "notes.txt"]


@pytest.mark.parametrize(
    ("name", "canonical"),
    [
        ("V4", "hV4"),
        ("hV4", "hV4"),
        ("V1v", "V1"),
        ("V1d", "V1"),
        ("V2v", "V2"),
        ("v3D", "V3"),
        ("V1", "V1"),
        ("FFA-1", "FFA-1"),
    ],
)
def test_roi_aliases(name: str, canonical: str) -> None:
    assert canonical_roi(name) == canonical
