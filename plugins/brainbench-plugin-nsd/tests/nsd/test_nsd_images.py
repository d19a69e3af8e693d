from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from brainbench_nsd.nsd.images import Brick, spelled_id
from brainbench_nsd.nsd.layout import Layout

from brainbench import DataError
from brainbench.datasets import Ledger, read_images

Load = Callable[..., Any]


def test_ids_name_the_place_in_the_file(made: Path, load: Load) -> None:
    stimuli = load(made).stimuli("1")
    assert list(stimuli.ids) == sorted(stimuli.ids)
    assert spelled_id(13) == "nsd-00013"
    with h5py.File(Layout(made).images) as file:
        for index in (0, 7, len(stimuli) - 1):
            number = int(stimuli.ids[index].removeprefix("nsd-"))
            np.testing.assert_array_equal(np.asarray(stimuli.open(index)), file["imgBrick"][number])


def test_digests_are_those_of_the_same_pixels_in_a_folder(made: Path, load: Load, tmp_path: Path) -> None:
    stimuli = load(made).stimuli("1")
    for index in range(5):
        stimuli.open(index).save(tmp_path / f"{index}.png")
    files = read_images(tmp_path, tuple(f"{index}.png" for index in range(5)), Ledger(tmp_path / "cache", tmp_path))
    assert stimuli.digests[:5] == files.digests


def test_images_are_opened_from_many_threads(made: Path, load: Load) -> None:
    stimuli = load(made).stimuli("1")
    order = np.random.default_rng(0).permutation(np.repeat(np.arange(len(stimuli)), 5)).tolist()
    with ThreadPoolExecutor(8) as pool:
        sums = list(pool.map(lambda index: int(np.asarray(stimuli.open(index)).sum()), order))
    alone = [int(np.asarray(stimuli.open(index)).sum()) for index in range(len(stimuli))]
    assert sums == [alone[index] for index in order]


def test_pixels_are_read_once(made: Path, load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    first = load(made).stimuli("1").digests

    def refuse(self: Brick, images: np.ndarray) -> Any:
        raise AssertionError("read again")

    monkeypatch.setattr(Brick, "_look", refuse)
    assert load(made).stimuli("1").digests == first
    with pytest.raises(AssertionError, match="read again"):
        load(made).stimuli("2")


def test_shared_images_are_the_same_in_both_subjects(made: Path, load: Load) -> None:
    dataset = load(made)
    first, second = (dict(zip((s := dataset.stimuli(n)).ids, s.digests, strict=True)) for n in ("1", "2"))
    assert first.keys() & second.keys()
    assert all(first[name] == second[name] for name in first.keys() & second.keys())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (np.zeros((50, 8, 8, 3), np.uint8), r"has 50 images, but 73KID \d+ was shown: fetch the whole file"),
        (np.zeros((500, 8, 8, 3), np.float32), r"imgBrick is float32 \(500, 8, 8, 3\), expected uint8"),
        (np.zeros((500, 8, 8), np.uint8), r"imgBrick has shape \(500, 8, 8\), expected images x height x width x 3"),
    ],
)
def test_another_file_is_refused(content: np.ndarray, message: str, root: Path, load: Load) -> None:
    with h5py.File(Layout(root).images, "w") as file:
        file["imgBrick"] = content
    with pytest.raises(DataError, match=message):
        load(root).stimuli("1")


def test_a_truncated_or_missing_file_is_named(root: Path, load: Load) -> None:
    path = Layout(root).images
    path.write_bytes(path.read_bytes()[:50_000])
    with pytest.raises(
        DataError, match=r"nsd_stimuli.hdf5 cannot be read \(.*\): it is truncated or damaged, copy it again"
    ):
        load(root).stimuli("1")
    path.unlink()
    with pytest.raises(DataError, match=r"no .*nsd_stimuli.hdf5: fetch it from the release"):
        load(root).stimuli("1")
