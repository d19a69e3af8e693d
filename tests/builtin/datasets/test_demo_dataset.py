from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from brainbench import Dataset, StoreError, UsageError
from brainbench.builtin.datasets.demo.card import DEMO
from brainbench.builtin.datasets.demo.dataset import Demo

SMALL = {"images": 100, "subjects": 2, "seed": 5}


def load(cache: Path, data: Path | None = None, **changes: int) -> Demo:
    dataset = DEMO.loader(settings={**SMALL, **changes}, data=data, cache=cache)
    assert isinstance(dataset, Demo)
    return dataset


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def demo(cache: Path) -> Demo:
    return load(cache)


@pytest.mark.slow
def test_it_is_a_dataset_and_gives_what_it_says(demo: Demo) -> None:
    assert isinstance(demo, Dataset)
    assert demo.subjects == ["1", "2"]
    assert demo.provides == {"responses", "rois", "coordinates", "masks", "noise_ceiling"}
    assert demo.dissimilarities("1") is None


def test_stimuli(demo: Demo) -> None:
    stimuli = demo.stimuli("1")
    assert len(stimuli) == len(set(stimuli.ids)) == len(set(stimuli.digests)) == 100
    assert stimuli.captions is not None
    assert len(stimuli.captions) == 100
    image = stimuli.open(3)
    assert (image.mode, image.size) == ("RGB", (64, 64))
    assert hashlib.sha256(image.tobytes()).hexdigest() == stimuli.digests[3]
    assert demo.stimuli("2").key == stimuli.key


def test_responses(demo: Demo) -> None:
    one, two = demo.responses("1"), demo.responses("2")
    assert one.noise_ceiling is not None
    assert one.coordinates is not None
    assert one.surface is not None
    count = one.values.shape[1]
    assert one.values.shape == (100, count)
    assert one.values.dtype == np.float32
    assert one.coordinates.shape == (count, 3)
    assert one.noise_ceiling.shape == one.surface.vertex.shape == one.surface.hemisphere.shape == (count,)
    assert list(one.rois) == ["V1", "V2", "V3", "hV4", "OPA", "PPA", "EBA", "FFA"]
    assert all(mask.dtype == bool and mask.shape == (count,) for mask in one.rois.values())
    np.testing.assert_allclose(one.values.std(axis=0), 1, atol=1e-4)
    assert one.key != two.key
    assert one.split_hash == two.split_hash


def test_split_is_80_10_10_and_seeded(demo: Demo) -> None:
    responses = demo.responses("1")
    assert [len(responses.rows(name)) for name in ("train", "val", "test")] == [80, 10, 10]


def test_masks_belong_to_the_stimuli(demo: Demo) -> None:
    masks = demo.masks("1")
    assert masks.classes[:3] == ("background", "face", "body")
    captions = demo.stimuli("1").captions
    assert captions is not None
    for index in range(20):
        mask = masks.load(index)
        assert mask.shape == (64, 64)
        assert mask.dtype == np.uint8
        assert all((mask == masks.classes.index(name)).any() for name in masks.classes[1:] if name in captions[index])


@pytest.mark.slow
def test_made_elsewhere_it_is_the_same(demo: Demo, tmp_path: Path) -> None:
    again = load(tmp_path)
    assert again.stimuli("1").key == demo.stimuli("1").key
    assert [again.responses(s).key for s in again.subjects] == [demo.responses(s).key for s in demo.subjects]
    np.testing.assert_array_equal(again.responses("2").values, demo.responses("2").values)


@pytest.mark.slow
def test_more_subjects_leave_the_first_alone(demo: Demo, tmp_path: Path) -> None:
    alone = load(tmp_path, subjects=1)
    assert alone.responses("1").key == demo.responses("1").key


@pytest.mark.slow
def test_version_tells_other_settings_apart(demo: Demo, tmp_path: Path) -> None:
    other = load(tmp_path, seed=6)
    assert demo.version.startswith(f"{DEMO.version}+")
    assert other.version != demo.version
    assert other.stimuli("1").key != demo.stimuli("1").key


@pytest.mark.slow
def test_two_processes_at_once_both_succeed(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from brainbench.builtin.datasets.demo.card import DEMO;"
        "d = DEMO.loader(settings={'images': 100, 'subjects': 1}, data=None, cache=Path(sys.argv[1]));"
        "print(d.responses('1').key)"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    keys = [process.communicate(timeout=60)[0].strip() for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert keys[0] == keys[1]
    assert len(keys[0]) == 64


def test_a_later_load_needs_neither_scipy_nor_nilearn(demo: Demo, cache: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from brainbench.builtin.datasets.demo.card import DEMO;"
        f"DEMO.loader(settings={SMALL!r}, data=None, cache=Path(sys.argv[1])).responses('1');"
        "print([m for m in ('scipy', 'nilearn', 'torch') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program, str(cache)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_unknown_subject(demo: Demo) -> None:
    for ask in (demo.stimuli, demo.responses, demo.masks, demo.dissimilarities):
        with pytest.raises(UsageError, match=r"^demo has no subject '9'; it has: 1, 2$"):
            ask("9")


def test_data_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="demo makes its own images and responses; leave --data out"):
        load(tmp_path, data=tmp_path)


def test_too_few_images(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"demo\.images=20: must be at least 100"):
        load(tmp_path, images=20)


def test_a_cache_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match=r"demo data cannot be kept in .*file.*BRAINBENCH_CACHE"):
        load(tmp_path / "file")
