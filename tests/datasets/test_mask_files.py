from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from brainbench import DataError
from brainbench.datasets import VOID, Ledger, check_masks, mask_fact, open_mask, read_masks

CLASSES = ("ground", "figure")


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "cache", tmp_path)


def save(path: Path, pixels: np.ndarray, palette: bool = False) -> Path:
    image = Image.fromarray(pixels)
    if palette:
        image.putpalette([17, 30, 200, 250, 4, 99] + [0] * 762)
    image.save(path)
    return path


@pytest.mark.parametrize("palette", [False, True])
def test_a_mask_is_its_indices(palette: bool, tmp_path: Path) -> None:
    pixels = np.array([[0, 1, 255], [1, 1, 0]], np.uint8)
    found = open_mask(save(tmp_path / "a.png", pixels, palette))
    np.testing.assert_array_equal(found, pixels)
    assert found.dtype == np.uint8


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA", "1", "I;16"])
def test_other_modes_are_refused(mode: str, tmp_path: Path) -> None:
    Image.new("L", (3, 2)).convert(mode).save(tmp_path / "a.png")
    # Older versions of Pillow read sixteen bits as mode I.
    told = mode.replace(";16", "(;16)?")
    with pytest.raises(
        DataError, match=rf"mask .*a\.png has mode {told}, but numbers of classes are meant: give the pal"
    ):
        open_mask(tmp_path / "a.png")


def test_a_fact_is_what_a_loop_finds() -> None:
    pixels = np.random.default_rng(0).choice([0, 3, 20, VOID], (13, 7)).astype(np.uint8)
    assert mask_fact(pixels) == {
        "digest": hashlib.sha256(b"7x13:" + bytes(int(value) for row in pixels for value in row)).hexdigest(),
        "width": 7,
        "height": 13,
        "values": sorted({int(value) for row in pixels for value in row}),
    }


def test_masks_are_decoded_once(tmp_path: Path, ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = [np.full((2, 3), index % 2, np.uint8) for index in range(4)]
    paths = [save(tmp_path / f"{index}.png", one) for index, one in enumerate(pixels)]
    first = read_masks(paths, [(3, 2)] * 4, CLASSES, ledger)
    assert first.masks.classes == CLASSES
    for index, one in enumerate(pixels):
        np.testing.assert_array_equal(first.masks.load(index), one)
    assert [digest == first.digests[0] for digest in first.digests] == [True, False, True, False]
    monkeypatch.setattr("brainbench.datasets.masks.open_mask", None)
    assert read_masks(paths, [(3, 2)] * 4, CLASSES, ledger) == first


def test_what_is_missing_is_counted(tmp_path: Path, ledger: Ledger) -> None:
    there = save(tmp_path / "a.png", np.ones((2, 3), np.uint8))
    with pytest.raises(DataError, match=r"no mask .*b\.png \(2 of 3 images have none\): every image needs one, as png"):
        read_masks([there, tmp_path / "b.png", tmp_path / "c.png"], [(3, 2)] * 3, CLASSES, ledger)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            [[0, 1, 2]],
            r"mask a has pixels of value 2; classes are 0 \(ground\) to 1 \(figure\), and 255 marks no class",
        ),
        ([[0, 1, 0], [0, 0, 254]], r"mask b has pixels of value 254"),
        ([[0, 0, 0], [0, 0, 255]], r"mask a and 1 more have no values but 0, 255, and 255 marks no class: save fig"),
        ([[255, 255, 255]], r"mask a and 0 more have no values but 255, and"),
        ([[0, 1]], r"mask a is 2 x 1 pixels, but its image is 3 x 1: make them equal"),
    ],
)
def test_what_does_not_fit(values: list[list[int]], message: str) -> None:
    facts = [mask_fact(np.array([row], np.uint8)) for row in values]
    with pytest.raises(DataError, match=message):
        check_masks(["a", "b"][: len(facts)], facts, [(3, 1)] * len(facts), CLASSES)


@pytest.mark.parametrize("values", [[[0, 0, 0]], [[1, 1, 1]], [[0, 0, 255], [255, 1, 0]], [[255, 255, 255], [1, 1, 1]]])
def test_what_is_fine(values: list[list[int]]) -> None:
    facts = [mask_fact(np.array([row], np.uint8)) for row in values]
    check_masks(["a", "b"][: len(facts)], facts, [(3, 1)] * len(facts), CLASSES)
