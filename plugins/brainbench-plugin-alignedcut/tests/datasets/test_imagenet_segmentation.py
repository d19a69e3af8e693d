from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from brainbench_alignedcut.datasets.cards import IMAGENET_SEGMENTATION
from brainbench_alignedcut.datasets.imagenet import Segments

from brainbench import DataError, Dataset, UsageError

Load = Callable[..., Any]
Spoil = Callable[[Any], Any]
MAT = "gtsegs_ijcv.mat"


def write(path: Path, images: list[np.ndarray], masks: list[np.ndarray]) -> None:
    """A struct array as MATLAB 7.3 writes it: images [H, W, 3] and masks [H, W], axes reversed, behind references."""
    with h5py.File(path, "w") as file:
        img = file.create_dataset("/value/img", (len(images), 1), h5py.ref_dtype)
        gt = file.create_dataset("/value/gt", (len(masks), 1), h5py.ref_dtype)
        for index, pixels in enumerate(images):
            img[index, 0] = file.create_dataset(f"#refs#/i{index}", data=pixels.T).ref
        for index, pixels in enumerate(masks):
            cell = file.create_dataset(f"#refs#/c{index}", (1, 1), h5py.ref_dtype)
            cell[0, 0] = file.create_dataset(f"#refs#/m{index}", data=pixels.T).ref
            gt[index, 0] = cell.ref


def scenes(*sizes: tuple[int, int]) -> tuple[list[np.ndarray], list[np.ndarray]]:
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (*size, 3), dtype=np.uint8) for size in sizes]
    return images, [rng.integers(0, 2, size, dtype=np.uint8) for size in sizes]


def test_images_and_masks_come_back_upright(tmp_path: Path, load: Load) -> None:
    images, masks = scenes((4, 7), (6, 3), (5, 5))
    write(tmp_path / MAT, images, masks)
    dataset = load(IMAGENET_SEGMENTATION, tmp_path)
    assert isinstance(dataset, Dataset)
    assert (dataset.provides, dataset.simulated, dataset.licence) == ({"masks"}, False, None)
    assert dataset.stimuli("1").ids == ("segment-0001", "segment-0002", "segment-0003")
    assert dataset.masks("1").classes == ("ground", "figure")
    for index in (2, 0, 1):
        np.testing.assert_array_equal(dataset.stimuli("1").open(index), images[index])
        found = dataset.masks("1").load(index)
        np.testing.assert_array_equal(found, masks[index])
        assert found.dtype == np.uint8


def test_masks_of_other_types_are_read_as_numbers(tmp_path: Path, load: Load) -> None:
    images, masks = scenes((4, 7), (6, 3))
    write(tmp_path / MAT, images, [masks[0].astype(float), masks[1].astype(bool)])
    found = load(IMAGENET_SEGMENTATION, tmp_path).masks("1")
    for index in range(2):
        np.testing.assert_array_equal(found.load(index), masks[index])
        assert found.load(index).dtype == np.uint8


def test_the_made_file_is_laid_out_as_the_release(made_imagenet: Path, load: Load) -> None:
    path = made_imagenet / MAT
    assert path.read_bytes()[:19] == b"MATLAB 7.3 MAT-file"
    with h5py.File(path) as file:
        assert file["/value/img"].shape == file["/value/gt"].shape == (5, 1)
        for index in range(5):
            image = file[file["/value/img"][index, 0]]
            mask = file[file[file["/value/gt"][index, 0]][0, 0]]
            assert (image.shape, mask.shape) == ((3, 40, 30), (40, 30))
            assert set(np.unique(mask)) == {0, 1}
    dataset = load(IMAGENET_SEGMENTATION, made_imagenet)
    assert (dataset.simulated, dataset.licence) == (True, "MIT")
    picture = np.asarray(dataset.stimuli("1").open(3), float)
    figure = dataset.masks("1").load(3) == 1
    # The figure is one colour and noise, the ground is not.
    assert picture[figure].std(axis=0).max() < 15 < picture[~figure].std(axis=0).max()


def damage(path: Path, image: int) -> None:
    # Older versions of HDF5 give the place of a chunk without the block of MATLAB's before it: it is found by its content.
    with h5py.File(path) as file:
        chunks = file[file["/value/img"][image, 0]].id
        _, chunk = chunks.read_direct_chunk(chunks.get_chunk_info(0).chunk_offset)
    start = path.read_bytes().index(chunk)
    with path.open("r+b") as bytes_:
        bytes_.seek(start)
        bytes_.write(bytes(64))


def test_images_are_read_one_by_one(imagenet: Path, load: Load) -> None:
    dataset = load(IMAGENET_SEGMENTATION, imagenet)
    damage(imagenet / MAT, image=3)
    assert dataset.stimuli("1").open(2).size == (40, 30)
    with pytest.raises(DataError, match=r"gtsegs_ijcv\.mat cannot be read as HDF5 \(.*\): it is truncated or damaged"):
        dataset.stimuli("1").open(3)


def test_threads_may_read(made_imagenet: Path, load: Load) -> None:
    stimuli = load(IMAGENET_SEGMENTATION, made_imagenet).stimuli("1")
    alone = [stimuli.open(index).tobytes() for index in range(5)]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda index: stimuli.open(index % 5).tobytes(), range(40)))
    assert together == alone * 8


def test_fewer_images_are_the_first(made_imagenet: Path, load: Load) -> None:
    every, few = load(IMAGENET_SEGMENTATION, made_imagenet), load(IMAGENET_SEGMENTATION, made_imagenet, images=2)
    assert few.stimuli("1").ids == ("segment-0001", "segment-0002")
    assert few.stimuli("1").digests == every.stimuli("1").digests[:2]
    assert few.version != every.version
    assert load(IMAGENET_SEGMENTATION, made_imagenet, images=99).version == every.version


def test_nothing_is_read_twice(made_imagenet: Path, load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    version = load(IMAGENET_SEGMENTATION, made_imagenet).version
    monkeypatch.delattr(Segments, "look")
    assert load(IMAGENET_SEGMENTATION, made_imagenet).version == version


def refer(name: str, index: int, data: Any) -> Spoil:
    """Image or mask ``index`` is ``data``."""

    def spoil(file: Any) -> None:
        new = file.create_dataset("#refs#/new", data=data)
        if name == "gt":
            file[file["/value/gt"][index, 0]][0, 0] = new.ref
        else:
            file["/value/img"][index, 0] = new.ref

    return spoil


def without(name: str) -> Spoil:
    def spoil(file: Any) -> None:
        del file[name]

    return spoil


def replaced(name: str, data: Any) -> Spoil:
    def spoil(file: Any) -> None:
        del file[name]
        file.create_dataset(name, data=data, dtype=None if isinstance(data, np.ndarray) else h5py.ref_dtype)

    return spoil


def white(file: Any) -> None:
    for index in range(5):
        mask = file[file[file["/value/gt"][index, 0]][0, 0]]
        mask[...] = mask[...] * 255


def shorter(file: Any) -> None:
    references = file["/value/gt"][:4]
    del file["/value/gt"]
    file.create_dataset("/value/gt", data=references, dtype=h5py.ref_dtype)


SPOILS: dict[str, tuple[Spoil, str]] = {
    "no struct": (
        without("value"),
        r"gtsegs_ijcv\.mat holds no /value/img \(it holds #refs#\): it must be gtsegs_ijcv",
    ),
    "no masks": (without("/value/gt"), r"holds no /value/gt \(it holds #refs#, value\)"),
    "no references": (
        replaced("/value/img", np.zeros((5, 1))),
        r"/value/img is float64 \(5, 1\), expected object references of images x 1",
    ),
    "fewer masks": (shorter, r"holds 5 images and 4 masks: every image needs one; download it anew"),
    "grey image": (
        refer("img", 1, np.zeros((40, 30), np.uint8)),
        r"image 2 is uint8 \(40, 30\), expected uint8 of 3 x width x height",
    ),
    "float image": (refer("img", 1, np.zeros((3, 40, 30))), r"image 2 is float64 \(3, 40, 30\), expected uint8"),
    "mask axes": (
        refer("gt", 4, np.zeros((3, 40, 30), np.uint8)),
        r"mask 5 is uint8 \(3, 40, 30\), expected width x height whole numbers",
    ),
    "mask shares": (
        refer("gt", 4, np.full((40, 30), 0.5)),
        r"mask 5 is float64 \(40, 30\), expected width x height whole",
    ),
    "mask nan": (refer("gt", 4, np.full((40, 30), np.nan)), r"mask 5 is float64 \(40, 30\), expected"),
    "mask size": (
        refer("gt", 2, np.zeros((30, 40), np.uint8)),
        r"mask 3 of .*gtsegs_ijcv\.mat is 30 x 40 pixels, but its image is 40 x 30: make them equal",
    ),
    "mask value": (
        refer("gt", 2, np.full((40, 30), 2, np.uint8)),
        r"mask 3 of .* has pixels of value 2; classes are 0 \(ground\) to 1 \(figure\), and 255 marks no class",
    ),
    "white figures": (
        white,
        r"mask 1 of .* and 4 more have no values but 0, 255, and 255 marks no class: save fig",
    ),
}


@pytest.mark.parametrize("case", SPOILS)
def test_what_does_not_fit_is_one_line(case: str, imagenet: Path, load: Load) -> None:
    load(IMAGENET_SEGMENTATION, imagenet)
    spoil, message = SPOILS[case]
    with h5py.File(imagenet / MAT, "r+") as file:
        spoil(file)
    with pytest.raises(DataError, match=message) as error:
        load(IMAGENET_SEGMENTATION, imagenet)
    assert "\n" not in str(error.value)


def test_an_empty_file_is_refused(tmp_path: Path, load: Load) -> None:
    write(tmp_path / MAT, [], [])
    with pytest.raises(DataError, match=r"gtsegs_ijcv\.mat holds no images: download it anew"):
        load(IMAGENET_SEGMENTATION, tmp_path)


@pytest.mark.parametrize("kept", [0, 3000, 0.7])
def test_a_truncated_file_is_named(kept: float, imagenet: Path, load: Load) -> None:
    path = imagenet / MAT
    whole = path.read_bytes()
    path.write_bytes(whole[: int(kept * len(whole)) if kept < 1 else int(kept)])
    with pytest.raises(
        DataError, match=r"gtsegs_ijcv\.mat cannot be read as HDF5 \(.*\): it is truncated or damaged"
    ) as e:
        load(IMAGENET_SEGMENTATION, imagenet)
    assert "\n" not in str(e.value)


def test_a_damaged_image_is_named(imagenet: Path, load: Load) -> None:
    damage(imagenet / MAT, image=1)
    with pytest.raises(DataError, match=r"gtsegs_ijcv\.mat cannot be read as HDF5 \(.*\): it is truncated or damaged"):
        load(IMAGENET_SEGMENTATION, imagenet)


@pytest.mark.parametrize("where", ["..", "../..", "down", "down/again", MAT])
def test_another_level_names_the_right_one(where: str, imagenet: Path, load: Load) -> None:
    inner = imagenet.parent / "a" / "b"
    inner.mkdir(parents=True)
    moved = imagenet.rename(inner / "segments")
    (moved / "down" / "again").mkdir(parents=True)
    given = (moved / where).resolve()
    with pytest.raises(DataError, match=rf"{given} is not the folder that holds {MAT}: give --data {moved}$"):
        load(IMAGENET_SEGMENTATION, given)


def test_nothing_far_and_wide(tmp_path: Path, load: Load) -> None:
    with pytest.raises(
        DataError, match=r"no imagenet-segmentation in .*home: --data names the folder that holds gtseg"
    ):
        load(IMAGENET_SEGMENTATION, tmp_path / "home")
    with pytest.raises(UsageError, match=r"dataset imagenet-segmentation needs --data PATH: the folder that holds gts"):
        load(IMAGENET_SEGMENTATION, None)


def test_contents_name_the_file_and_where_one_gets_it(made_imagenet: Path, tmp_path: Path) -> None:
    contents = IMAGENET_SEGMENTATION.contents
    assert contents is not None
    [part] = contents(data=made_imagenet, settings={})
    assert (part.there, part.needed, part.size) == (True, True, (made_imagenet / MAT).stat().st_size)
    assert "calvin-vision.net" in part.source
    [part] = contents(data=tmp_path, settings={})
    assert (part.there, part.size) == (False, 0)


def test_the_same_seed_makes_the_same_pictures(tmp_path: Path, maker: Callable[..., Path], load: Load) -> None:
    small = {"images": 2, "width": 20, "height": 16}
    made = [maker(IMAGENET_SEGMENTATION, tmp_path / str(n), **small, seed=seed) for n, seed in enumerate((0, 0, 1))]
    one, two, three = (load(IMAGENET_SEGMENTATION, root).version for root in made)
    assert one == two != three
