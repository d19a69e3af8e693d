from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest
from brainbench_open import cowley_v4
from brainbench_open.plugin import COWLEY_V4
from PIL import Image

from brainbench import DataError, RemoteFile, UsageError
from brainbench.testing import DATASET_CHECKS, DatasetCase

COUNT = 30


def picture(seed: int) -> bytes:
    colours = np.random.default_rng(seed).integers(0, 255, (4, 4, 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(colours).resize((24, 24)).save(out, "png")
    return out.getvalue()


def write(folder: Path, count: int = COUNT) -> np.ndarray:
    """Three sessions in the published layout, out of order in their archives; [neurons, images] of the first."""
    for number, session in enumerate(cowley_v4.SESSIONS):
        with ZipFile(folder / f"images_{session}.zip", "w") as archive:
            for index in reversed(range(count)):
                archive.writestr(f"image{index:04d}.png", picture(1000 * number + index))
        values = np.random.default_rng(number).poisson(3.0, (5 + number, count)).astype(float)
        np.save(folder / f"responses_{session}.npy", values)
    return np.asarray(np.load(folder / f"responses_{cowley_v4.SESSIONS[0]}.npy"))


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    write(folder)
    published(folder, monkeypatch)
    return folder


def published(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The card speaks of the files in ``folder``."""
    files = [RemoteFile(path.name, "", "", path.stat().st_size) for path in sorted(folder.iterdir())]
    monkeypatch.setattr(cowley_v4, "COWLEY_V4", replace(COWLEY_V4, downloads=tuple(files)))


def opened(data: Path, cache: Path) -> cowley_v4.CowleyV4:
    return cowley_v4.load(settings={}, data=data, cache=cache)


@pytest.mark.parametrize("check", DATASET_CHECKS.values(), ids=list(DATASET_CHECKS))
def test_contract(check: Callable[[DatasetCase], str], data: Path) -> None:
    check(DatasetCase(cowley_v4.COWLEY_V4, data=data))


def test_columns_are_the_images_in_the_order_of_their_names(data: Path, tmp_path: Path) -> None:
    dataset = opened(data, tmp_path / "cache")
    stimuli, responses = dataset.stimuli("190923"), dataset.responses("190923")
    assert stimuli.ids == tuple(f"image{index:04d}.png" for index in range(COUNT))
    for index in (0, 7):
        with Image.open(io.BytesIO(picture(index))) as shown:
            assert np.array_equal(np.asarray(stimuli.open(index)), np.asarray(shown))
    np.testing.assert_array_equal(responses.values, np.load(data / "responses_190923.npy").T[responses.stimulus])
    assert set(responses.stimulus[responses.rows("test")].tolist()) == set(range(0, COUNT, 5))
    assert len(responses.rows("val")) == round(0.1 * COUNT * 4 / 5)
    assert dataset.survey("190923").key == responses.key


def test_an_archive_writes_nowhere_else(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with ZipFile(data / "images_201025.zip", "a") as archive:
        archive.writestr("../../../outside.png", picture(9999))
    published(data, monkeypatch)
    with pytest.raises(
        DataError, match=r"responses_201025\.npy has shape \(6, 30\), expected neurons x 31, the images in"
    ):
        opened(data, tmp_path / "cache").stimuli("201025")
    (written,) = tmp_path.rglob("outside.png")
    assert written.parent.parent == tmp_path / "cache/cowley-v4"


def test_what_is_damaged_or_missing_is_named(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = data / "images_190923.zip"
    archive.write_bytes(bytes(archive.stat().st_size))
    dataset = opened(data, tmp_path / "cache")
    with pytest.raises(
        DataError, match=r"images_190923\.zip is damaged .*; delete it and `brainbench data fetch cowley-v4`"
    ):
        dataset.stimuli("190923")
    with pytest.raises(
        UsageError, match=r"no session '190924' \(did you mean '190923'\?\); there are 190923, 201025, 210224"
    ):
        dataset.stimuli("190924")
    archive.unlink()
    with pytest.raises(DataError, match=r"images_190923\.zip is missing; `brainbench data fetch cowley-v4` brings it"):
        opened(data, tmp_path / "cache")


def test_the_card_names_every_file_once_and_by_commit() -> None:
    paths = [file.path for file in COWLEY_V4.downloads]
    assert sorted(paths) == sorted(
        f"{kind}_{s}.{end}" for s in cowley_v4.SESSIONS for kind, end in (("images", "zip"), ("responses", "npy"))
    )
    for file in COWLEY_V4.downloads:
        assert file.url.endswith(f"/{file.path}")
        commit = file.url.removeprefix("https://raw.githubusercontent.com/").split("/")[2]
        assert (len(commit), len(file.sha256)) == (40, 64)
