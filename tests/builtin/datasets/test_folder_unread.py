"""Whatever is in the folder is read, or named in one line."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from folders import names_of, open_folder, responses_of, write_images, write_nifti, write_table
from PIL import Image, PngImagePlugin

from brainbench import DataError

Spoil = Callable[[Path], Any]
ROWS = 30
VALUES = np.random.default_rng(1).normal(size=(ROWS, 6)).astype(np.float32)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_images(tmp_path / "data" / "images", ROWS)
    return tmp_path / "data"


def touch(*names: str) -> Spoil:
    def spoil(root: Path) -> None:
        for name in names:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(b"1")

    return spoil


BIDS = "sub-01_task-look_space-T1w_desc-preproc_bold.nii.gz"
UNREAD: dict[str, tuple[Spoil, str]] = {
    "pickle": (touch("responses.pkl"), r"responses\.pkl is not read: responses is read from \.npy, .*\.mat.*save it as one"),
    "xls": (touch("responses.xls"), r"responses\.xls is not read: responses is read from .*\.xlsx"),
    "torch": (touch("responses.pt"), r"responses\.pt is not read: responses is read from "),
    "one side": (touch("lh.responses.h5"), r"lh\.responses\.h5 is not read: lh\.responses is read from \.mgh"),
    "capital suffix": (touch("responses.NPY"), r"responses\.NPY would not be read: did you mean 'responses\.npy'\? Rename"),
    "stimuli": (touch("stimuli.xlsx"), r"stimuli\.xlsx is not read: stimuli is read from \.csv, \.tsv"),
    "packed": (touch("masks.zip"), r"masks\.zip is not read: unpack it"),
    "a slip keeps its format": (touch("responces.mat"), r"responces\.mat would not be read: did you mean 'responses\.mat'"),
    "tables in json": (touch("splits.json"), r"splits\.json is not read: splits is read from \.csv, \.tsv, \.csv\.gz, \.tsv\.gz; save"),
    "own name, not read": (touch("betas.pkl"), r"but .*betas\.pkl is there: .*save it as one of these, or move"),
    "a link to nothing": (
        lambda root: (root / "responses.npy").symlink_to(".git/annex/objects/x"),
        r"responses\.npy is a link to a file that is not there: fetch the file, or remove the link",
    ),
    "own name": (touch("betas.npy"), r"no responses are read from .*, but .*betas\.npy is there: .*rename it, or move"),
    "own table": (touch("fmri_betas.csv"), r"but .*fmri_betas\.csv is there"),
    "own folder": (touch("derivatives/glm/betas.mat"), r"but .*derivatives/glm/betas\.mat is there"),
    "BIDS": (touch(f"sub-01/func/{BIDS}"), r"bold\.nii\.gz is not read under its BIDS name: estimate one volume for each"),
    "BIDS sessions": (touch(f"sub-01/ses-01/func/{BIDS}"), r"bold\.nii\.gz is not read under its BIDS name"),
    "BIDS surface": (touch("sub-01/func/sub-01_hemi-L_space-fsnative_bold.func.gii"), r"not read under its BIDS name"),
}  # fmt: skip


@pytest.mark.parametrize(("spoil", "message"), UNREAD.values(), ids=UNREAD.keys())
def test_responses_that_nothing_reads_are_named(root: Path, spoil: Spoil, message: str) -> None:
    spoil(root)
    with pytest.raises(DataError, match=message) as caught:
        open_folder(root)
    assert "\n" not in str(caught.value)


def test_other_files_beside_responses_are_left_alone(root: Path) -> None:
    np.save(root / "responses.npy", VALUES)
    touch("responses_old.npy", "betas.mat", "responses.npy.bak", "notes.txt", "responses.json")(root)
    assert responses_of(open_folder(root)).values.shape == VALUES.shape


def test_an_experiment_without_responses_stays_one(root: Path) -> None:
    touch("README.md", "notes.txt", "dataset_description.json", "events.json", ".DS_Store", "results/x.npy")(root)
    assert open_folder(root).responses("1") is None


@pytest.mark.parametrize("suffix", ["webp", "gif", "bmp", "tif", "tiff"])
def test_pictures_of_other_formats_are_read(root: Path, suffix: str) -> None:
    pixels = np.arange(30, dtype=np.uint8).reshape(5, 6) * 8
    Image.fromarray(pixels).save(root / f"images/new.{suffix}", **({"lossless": True} if suffix == "webp" else {}))
    stimuli = open_folder(root).stimuli("1")
    assert len(stimuli) == ROWS + 1
    np.testing.assert_array_equal(np.asarray(stimuli.open(ROWS))[..., 1], pixels)


def test_pictures_in_folders_are_found_with_and_without_a_table(root: Path) -> None:
    np.save(root / "responses.npy", VALUES)
    names = []
    for index, name in enumerate(names_of(ROWS)):
        place = root / f"images/concept{index % 3}"
        place.mkdir(exist_ok=True)
        (root / "images" / name).rename(place / name)
        names.append(f"concept{index % 3}/{name}")
    assert open_folder(root).stimuli("1").ids == tuple(sorted(names))
    for form in ("{}", "images/{}", "./images/{}"):
        write_table(root / "stimuli.csv", "image", *map(form.format, names))
        assert open_folder(root).stimuli("1").ids == tuple(names)
    write_table(root / "stimuli.csv", "image", *(name.replace("/", "\\") for name in names))
    assert open_folder(root).stimuli("1").ids == tuple(names)


def test_what_a_count_left_out_is_said(root: Path) -> None:
    np.save(root / "responses.npy", np.vstack([VALUES, VALUES[:3]]))
    (root / "images/below").mkdir()
    (root / "images/000.png").rename(root / "images/below/000.png")
    touch("images/a.heic", "images/b.heic", "images/c.svg")(root)
    message = (
        r"30 images in .*\(1 of them in folders below it; not counting 3 files of another kind \(\.heic, \.svg\)\)"
    )
    with pytest.raises(DataError, match=message):
        open_folder(root)
    np.save(root / "responses.npy", VALUES)
    assert (
        "3 files of another kind (.heic, .svg) in images/ not read as images" in responses_of(open_folder(root)).notes
    )


def test_frames_and_decimals_are_refused(root: Path) -> None:
    frames = [Image.fromarray(np.full((4, 4), value, np.uint8)) for value in (0, 90)]
    frames[0].save(root / "images/a.gif", save_all=True, append_images=frames[1:])
    with pytest.raises(DataError, match=r"a\.gif holds 2 frames: save the one that was shown"):
        open_folder(root)
    (root / "images/a.gif").unlink()
    Image.fromarray(np.zeros((4, 4), np.float32)).save(root / "images/a.tif")
    with pytest.raises(DataError, match=r"a\.tif holds decimal numbers: save it with 8 or 16 bits"):
        open_folder(root)
    Image.fromarray(np.full((4, 4), 70_000, np.int32)).save(root / "images/a.tif")
    with pytest.raises(DataError, match=r"a\.tif holds more than 16 bits a channel: save it with 8 or 16"):
        open_folder(root)


def test_a_long_editing_history_does_not_spoil_a_png(root: Path) -> None:
    history = PngImagePlugin.PngInfo()
    history.add_text("history", "x" * 2_000_000, zip=True)
    Image.new("RGB", (4, 4)).save(root / "images/z.png", pnginfo=history)
    assert len(open_folder(root).stimuli("1")) == ROWS + 1


def test_unicode_forms_of_one_name_are_one_name(root: Path) -> None:
    np.save(root / "responses.npy", VALUES)
    new = [f"Mu\u0308ller_{name}" for name in names_of(ROWS)]
    for old, name in zip(names_of(ROWS), new, strict=True):
        (root / "images" / old).rename(root / "images" / name)
    composed = [unicodedata.normalize("NFC", name) for name in new]
    write_table(root / "stimuli.csv", "image", *composed)
    splits = [f"{name},{'test' if i < 5 else 'val' if i < 9 else 'train'}" for i, name in enumerate(composed)]
    write_table(root / "splits.csv", "image,split", *splits)
    write_table(root / "rois.csv", "voxel,roi", "0,e\u0301", "1,\u00e9")
    found = responses_of(open_folder(root))
    assert (found.split == "test").sum() == 5
    assert found.rois["\u00e9"].sum() == 2
    Image.new("RGB", (4, 4)).save(root / "images" / composed[0])
    with pytest.raises(DataError, match="several files named .* in different Unicode forms: keep one"):
        open_folder(root)


def test_a_name_that_is_not_utf8_is_shown(root: Path) -> None:
    os.rename(os.fsencode(root / "images/005.png"), os.fsencode(root / "images") + b"/005_M\xfcller.png")  # noqa: PTH104
    with pytest.raises(DataError, match=r"the name of 005_M\\xfcller\.png is not UTF-8 .*: rename the file"):
        open_folder(root)


def test_an_experiment_may_lie_below_a_name_that_is_not_utf8(root: Path, tmp_path: Path) -> None:
    np.save(root / "responses.npy", VALUES)
    place = Path(os.fsdecode(os.fsencode(tmp_path) + b"/d\xe4ta"))
    root.rename(place)
    assert responses_of(open_folder(place)).values.shape == VALUES.shape


def test_letters_in_another_case_are_hinted_at(root: Path) -> None:
    write_table(root / "stimuli.csv", "image", "003.PNG")
    with pytest.raises(DataError, match=r"no image '003\.PNG' in .*\(did you mean '003\.png'\?\)"):
        open_folder(root)


def test_rois_are_held_to_the_number_of_voxels(root: Path) -> None:
    np.save(root / "responses.npy", VALUES)
    write_table(root / "rois.csv", "voxel,roi", *(f"{voxel},V1" for voxel in range(5)))
    assert any("names voxels 0 to 4 without a gap" in note for note in responses_of(open_folder(root)).notes)
    write_table(root / "rois.csv", "voxel,roi", *(f"{voxel},V1" for voxel in range(1, 7)))
    with pytest.raises(DataError, match=r"no voxel 6; the responses have voxels 0 to 5 \(voxels are counted from 0\)"):
        open_folder(root)


def test_a_volume_beside_no_responses_is_told_by_its_own_name(root: Path) -> None:
    write_nifti(root / "glm.nii.gz", np.zeros((2, 2, 2, ROWS), np.float32))
    with pytest.raises(DataError, match=r"glm\.nii\.gz is there"):
        open_folder(root)
