from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from brainbench import DataError, StoreError
from brainbench.builtin.datasets.folder.card import FOLDER

Spoil = Callable[[Path], Any]
NAMES = [f"{index:03}.png" for index in range(12)]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    place = tmp_path / "data"
    (place / "images").mkdir(parents=True)
    noise = np.random.default_rng(0)
    for name in NAMES:
        Image.fromarray(noise.integers(0, 256, (6, 5, 3), dtype=np.uint8)).save(place / "images" / name)
    np.save(place / "responses.npy", noise.normal(size=(12, 8)))
    return place


def load(root: Path) -> Any:
    return FOLDER.loader(settings=FOLDER.resolve_settings({}), data=root, cache=root.parent / "cache")


def write(*lines: str, to: str) -> Spoil:
    return lambda root: (root / to).write_text("\n".join(lines) + "\n", encoding="utf-8")


def save(array: Any, to: str = "responses.npy") -> Spoil:
    return lambda root: np.save(root / to, np.asarray(array))


def cut(name: str, size: int) -> Spoil:
    return lambda root: (root / name).write_bytes((root / name).read_bytes()[:size])


def both(*spoils: Spoil) -> Spoil:
    return lambda root: [spoil(root) for spoil in spoils]


def remove(name: str) -> Spoil:
    return lambda root: (root / name).unlink()


def rename(old: str, new: str) -> Spoil:
    return lambda root: (root / old).rename(root / new)


def folder(name: str) -> Spoil:
    return lambda root: (root / name).mkdir(parents=True)


def mask(pixels: Any, *, to: str = "005.png", mode: str | None = None) -> Spoil:
    """Good masks everywhere, and this one."""

    def spoil(root: Path) -> None:
        (root / "masks").mkdir()
        write("value,name", "0,ground", "1,figure", to="masks/classes.csv")(root)
        for name in NAMES:
            Image.fromarray(np.ones((6, 5), np.uint8)).save(root / "masks" / name)
        image = Image.fromarray(np.asarray(pixels, np.uint8))
        (image.convert(mode) if mode else image).save(root / "masks" / to)

    return spoil


def white(root: Path) -> None:
    """Figures as 255, which is how pictures of masks look best."""
    for name in NAMES:
        Image.fromarray(255 * np.eye(6, 5, dtype=np.uint8)).save(root / "masks" / name)


def two_subjects(root: Path) -> None:
    for name in "ab":
        (root / "subjects" / name).mkdir(parents=True)


def lone_object(root: Path) -> None:
    np.save(root / "responses.npy", np.array([[{}]], dtype=object), allow_pickle=True)


SPOILS: dict[str, tuple[Spoil, str]] = {
    "no folder": (shutil.rmtree, r"no folder .*data: --data names a folder that holds images/"),
    "no images folder": (lambda r: shutil.rmtree(r / "images"), r"no folder images/ in .*: it must hold images/ \(png"),
    "no image": (both(*(remove(f"images/{name}") for name in NAMES)), r"no images in .*png, jpg or jpeg"),
    "images misspelt": (rename("images", "Images"), r"Images would not be read: did you mean 'images'"),
    "table misspelt": (write("voxel,roi", to="roi.csv"), r"roi\.csv would not be read: did you mean 'rois\.csv'"),
    "truncated image": (cut("images/004.png", 90), r"image .*004\.png cannot be decoded"),
    "two bad images": (
        both(cut("images/004.png", 90), write("text", to="images/009.png")),
        r"004\.png cannot be decoded.*\(and 1 more such files\)",
    ),
    "stimulus not there": (write("image", "04.png", to="stimuli.csv"), r"line 2: no image '04.png' .*did you mean '0"),
    "no stimulus": (write("image", to="stimuli.csv"), r"stimuli\.csv names no image"),
    "no image column": (write("file", "004.png", to="stimuli.csv"), r"no column image in its first line \(file\)"),
    "column misspelt": (write("image,groups", "004.png,a", to="stimuli.csv"), r"'groups' .*did you mean 'group'"),
    "two groups": (
        write("image,group", "004.png,a", "004.png,b", to="stimuli.csv"),
        r"line 3: 004.png is in group 'a'",
    ),
    "ragged table": (write("image,group", "004.png", to="stimuli.csv"), r"line 2: 1 cells, but the header has 2"),
    "empty cell": (write("image,split", "004.png,", to="splits.csv"), r"line 2: split is empty"),
    "not utf-8": (lambda r: (r / "splits.csv").write_bytes(b"image,split\n\xff\xfe"), r"splits\.csv cannot be read"),
    "too few rows": (save(np.ones((11, 8))), r"has 11 rows \(shape \(11, 8\)\), but there are 12 images in"),
    "rows against lines": (
        write("image", "004.png", to="stimuli.csv"),
        r"has 12 rows .*there are 1 lines in .*stimuli",
    ),
    "transposed": (save(np.ones((8, 12))), r"has 8 rows .*12 images .*looks transposed"),
    "three axes": (save(np.ones((12, 8, 1))), r"shape \(12, 8, 1\), expected two axes: stimuli x voxels"),
    "empty array": (save(np.ones((12, 0))), r"empty array of shape \(12, 0\)"),
    "truncated array": (cut("responses.npy", 500), r"responses\.npy is truncated: 372 of 768 bytes"),
    "truncated header": (cut("responses.npy", 40), r"responses\.npy is not a readable \.npy"),
    "no array": (write("1,2", to="responses.npy"), r"responses\.npy is not a readable \.npy"),
    "pickled objects": (lone_object, r"responses\.npy holds object values"),
    "complex": (save(np.ones((12, 8), complex)), r"holds complex128 values"),
    "two responses": (write("1,2", to="responses.csv"), r"holds both responses\.npy and responses\.csv"),
    "text in a cell": (
        both(remove("responses.npy"), write("a,b", "1,2", "3,x4", to="responses.csv")),
        r"responses\.csv, line 3, column 2: 'x4' is not a number",
    ),
    "hole in a table": (
        both(remove("responses.npy"), write("1,2", "3,", to="responses.csv")),
        r"line 2, column 2: '' is not a number; write nan",
    ),
    "ragged numbers": (
        both(remove("responses.npy"), write("1,2", "3,4,5", to="responses.csv")),
        r"line 2: 3 cells, but the first line has 2",
    ),
    "no numbers": (both(remove("responses.npy"), write("a,b", to="responses.csv")), r"responses\.csv holds no numbers"),
    "coordinates": (save(np.ones((7, 3)), "coordinates.npy"), r"shape \(7, 3\), expected \(8, 3\)"),
    "endless": (
        save(np.full((8, 3), np.nan), "coordinates.npy"),
        r"8 voxels without finite coordinates, the first is 0",
    ),
    "ceiling length": (save(np.ones(7), "noise_ceiling.npy"), r"shape \(7,\), expected \(8,\)"),
    "ceiling percent": (save(np.full(8, 40), "noise_ceiling.npy"), r"8 voxels outside 0\.\.1.*divide percent by 100"),
    "unknown voxel": (write("voxel,roi", "0,V1", "8,V1", to="rois.csv"), r"line 3: no voxel 8; .*voxels 0 to 7"),
    "negative voxel": (write("voxel,roi", "-1,V1", to="rois.csv"), r"line 2: no voxel -1"),
    "voxel by name": (write("voxel,roi", "v1,V1", to="rois.csv"), r"voxel is 'v1', expected a whole number"),
    "rois alone": (
        both(remove("responses.npy"), write("voxel,roi", to="rois.csv")),
        r"rois\.csv but neither responses",
    ),
    "split word": (write("image,split", "004.png,tset", to="splits.csv"), r"split 'tset' \(did you mean 'test'\?\)"),
    "split image": (write("image,split", "99.png,test", to="splits.csv"), r"line 2: no image '99\.png'"),
    "two splits": (write("image,split", "004.png,val", "004.png,test", to="splits.csv"), r"in val and in test"),
    "no test": (
        write("image,split", "004.png,train", "005.png,train", "006.png,val", to="splits.csv"),
        r"splits\.csv leaves test without an image",
    ),
    "no train": (write("image,split", "004.png,test", to="splits.csv"), r"leaves train without an image"),
    "one big group": (
        write("image,group", *(f"{name},g" for name in NAMES), to="stimuli.csv"),
        r"the split by image content leaves val without an image",
    ),
    "mask size": (mask(np.ones((5, 6))), r"mask .*005\.png is 6 x 5 pixels, but its image is 5 x 6"),
    "mask value": (mask(np.full((6, 5), 7)), r"mask .*005\.png has pixels of value 7"),
    "mask mode": (
        mask(np.ones((6, 5)), mode="RGB"),
        r"mask .*005\.png has mode RGB, but numbers of classes are meant: give the palette's index file instead of its col",
    ),
    "mask without image": (
        mask(np.ones((6, 5)), to="012.png"),
        r"mask .*masks/012\.png is of no image in .*images \(1 of 13 masks are\): add the image or remove the mask",
    ),
    "masks as jpeg": (
        both(mask(np.ones((6, 5))), *(rename(f"masks/{name}", f"masks/{name[:3]}.jpg") for name in NAMES)),
        r"no mask .*000\.png \(12 of 12 images have none\): every image needs one, as png",
    ),
    "no mask at all": (
        both(folder("masks"), write("value,name", "0,ground", "1,figure", to="masks/classes.csv")),
        r"no mask .*000\.png \(12 of 12 images have none\)",
    ),
    "white figures": (
        both(mask(np.zeros((6, 5))), white),
        r"mask .*000\.png and 11 more have no values but 0, 255, and 255 marks no class: save figures as 1, 2",
    ),
    "mask missing": (both(mask(np.ones((6, 5))), remove("masks/005.png")), r"no mask .*005\.png \(1 of 12 images"),
    "mask damaged": (both(mask(np.ones((6, 5))), cut("masks/005.png", 50)), r"masks/005\.png cannot be decoded"),
    "no classes": (both(mask(np.ones((6, 5))), remove("masks/classes.csv")), r"no .*classes\.csv: it must name"),
    "gap in classes": (
        both(mask(np.ones((6, 5))), write("value,name", "0,a", "2,b", to="masks/classes.csv")),
        r"values \[0, 2\], expected 0, 1, 2",
    ),
    "class twice": (
        both(mask(np.ones((6, 5))), write("value,name", "0,a", "0,b", to="masks/classes.csv")),
        r"line 3: value 0 is named twice, 'a' and 'b'",
    ),
    "not square": (save(np.ones((1, 12, 11)), "dissimilarities.npy"), r"shape \(1, 12, 11\), expected subjects x stim"),
    "other stimuli": (save(np.ones((1, 9, 9)), "dissimilarities.npy"), r"about 9 stimuli, but subject 1 saw 12"),
    "asymmetric": (
        save(np.triu(np.ones((12, 12))), "dissimilarities.npy"),
        r"subject 1 is not symmetric; .*both triangles",
    ),
    "no diagonal": (
        save(np.where(np.eye(12) > 0, np.nan, 1.0), "dissimilarities.npy"),
        r"12 values that are not finite, the first at \[0, 0\]; a stimulus differs from itself by 0",
    ),
    "matrices of others": (save(np.ones((3, 12, 12)), "dissimilarities.npy"), r"3 matrices, .*responses are of one"),
    "matrices per subject": (
        both(remove("responses.npy"), two_subjects, save(np.ones((3, 12, 12)), "dissimilarities.npy")),
        r"holds 3 matrices, expected 2: one for each of a, b",
    ),
    "no subject": (folder("subjects"), r"subjects is empty"),
    "shared responses": (two_subjects, r"would stand for subjects a and b alike"),
    "toml": (write("name = ", to="dataset.toml"), r"dataset\.toml cannot be read as TOML"),
    "toml entry": (write("license = 'x'", to="dataset.toml"), r"unknown entry 'license' \(did you mean 'licence'\?\)"),
    "toml type": (write("simulated = 1", to="dataset.toml"), r"simulated is 1, expected true or false"),
}


@pytest.mark.slow
@pytest.mark.parametrize(("spoil", "message"), SPOILS.values(), ids=SPOILS.keys())
def test_bad_input_is_one_line(root: Path, spoil: Spoil, message: str) -> None:
    load(root)
    spoil(root)
    with pytest.raises(DataError, match=message) as caught:
        load(root)
    assert "\n" not in str(caught.value)


def test_an_experiment_without_a_useful_voxel_is_refused(root: Path) -> None:
    values = np.ones((12, 8))
    values[3, :2] = np.nan
    np.save(root / "responses.npy", values)
    with pytest.raises(DataError, match=r"no voxel is left of 8: 2 with NaN or infinite values, 6 constant"):
        load(root).responses("1")


def test_an_image_deleted_since_is_named(root: Path) -> None:
    dataset = load(root)
    (root / "images" / "003.png").unlink()
    with pytest.raises(DataError, match=r"image .*003\.png cannot be decoded"):
        dataset.stimuli("1").open(3)


def test_a_failure_is_not_remembered(root: Path) -> None:
    good = (root / "images" / "004.png").read_bytes()
    version = load(root).version
    cut("images/004.png", 90)(root)
    with pytest.raises(DataError, match="004"):
        load(root)
    (root / "images" / "004.png").write_bytes(good)
    assert load(root).version == version


def test_a_cache_that_cannot_be_written_is_named(root: Path) -> None:
    (root.parent / "cache").write_text("in the way")
    with pytest.raises(StoreError, match=r"cannot write .*BRAINBENCH_CACHE"):
        load(root)
