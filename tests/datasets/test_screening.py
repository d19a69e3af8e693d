from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from brainbench import DataError, Responses, StoreError, Surface
from brainbench.datasets import ArraySource, Measured, NpySource, Source, ZScored, screen, screening, sources, survey

ROWS, VOXELS = 40, 9


@dataclass
class Watched:
    """A source that counts how often it was read, and may break off in the middle of one reading."""

    source: Source
    breaks_in: int = 0
    readings: int = 0

    @property
    def key(self) -> str:
        return self.source.key

    @property
    def where(self) -> Path:
        return self.source.where

    @property
    def shape(self) -> tuple[int, int]:
        return self.source.shape

    @property
    def whole(self) -> np.ndarray | None:
        return self.source.whole

    def blocks(self, rows: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        self.readings += 1
        for number, block in enumerate(self.source.blocks(rows)):
            if number and self.readings == self.breaks_in:
                raise KeyboardInterrupt
            yield block


def values() -> np.ndarray:
    """Voxel 2 has a NaN in a train row, voxel 5 is constant over train, 7 has an infinite value in a row without a split."""
    drawn = np.random.default_rng(0).normal(5, 2, (ROWS, VOXELS)).astype(np.float32)
    drawn[3, 2] = np.nan
    drawn[SPLIT == "train", 5] = 1.5
    drawn[np.flatnonzero(SPLIT == "")[0], 7] = np.inf
    return drawn


STIMULUS = np.random.default_rng(1).integers(0, 12, ROWS)
SPLIT = np.array(["train", "train", "", "test", "val", "train", "train", "test", "train", "train", "val", "train"])[
    STIMULUS
]
KEPT = [0, 1, 3, 4, 6, 7, 8]


def measured(source: Source | None = None, average: bool = False) -> Measured:
    rng = np.random.default_rng(2)
    return Measured(
        subject="1",
        source=source or ArraySource("key", Path("responses.npy"), (values(),)),
        stimulus=STIMULUS,
        split=SPLIT,
        average=average,
        coordinates=rng.normal(size=(VOXELS, 3)),
        rois={"V1": np.arange(VOXELS) < 4, "gone": np.isin(np.arange(VOXELS), [2, 5])},
        noise_ceiling=rng.random(VOXELS),
        surface=Surface("fsaverage5", np.repeat(["left", "right"], [5, 4]), np.arange(VOXELS)),
        notes=("a note",),
    )


def states(cache: Path) -> dict[str, object]:
    """What is kept, without locks and checksums."""
    found = [path for path in cache.rglob("*") if path.is_file() and path.suffix not in (".lock", ".sha256")]
    return {path.name: path.stat() for path in found}


def files(cache: Path) -> set[str]:
    return set(states(cache))


def test_trials_are_the_rows_that_have_a_split_without_useless_voxels(tmp_path: Path) -> None:
    found = screen(measured(), tmp_path)
    rows = np.flatnonzero(SPLIT != "")
    np.testing.assert_array_equal(found.values, values()[rows][:, KEPT])
    np.testing.assert_array_equal(found.stimulus, STIMULUS[rows])
    np.testing.assert_array_equal(found.split, SPLIT[rows])
    assert found.dropped == (2, 5)
    assert found.notes[:2] == (
        "a note",
        "dropped 2 of 9 voxels: 1 with NaN or infinite values, 1 constant over train",
    )
    assert found.notes[2] == "ROIs without a voxel left: gone"
    assert list(found.rois) == ["V1"]
    np.testing.assert_array_equal(found.rois["V1"], [True, True, True, False, False, False, False])
    whole = measured()
    assert found.coordinates is not None
    assert whole.coordinates is not None
    np.testing.assert_array_equal(found.coordinates, whole.coordinates[KEPT].astype(np.float32))
    assert found.surface is not None
    np.testing.assert_array_equal(found.surface.vertex, KEPT)
    np.testing.assert_array_equal(found.surface.hemisphere, ["left"] * 4 + ["right"] * 3)


@pytest.mark.parametrize("block", [1, 50, 2**24])
def test_averages_are_those_of_pandas(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    monkeypatch.setattr(sources, "_BLOCK", block)
    found = screen(measured(average=True), tmp_path)
    rows = SPLIT != ""
    means = pd.DataFrame(values()[rows].astype(np.float64)).groupby(STIMULUS[rows]).mean()
    np.testing.assert_allclose(found.values, means.loc[found.stimulus, KEPT], rtol=1e-6)
    assert sorted(found.stimulus) == list(means.index)
    np.testing.assert_array_equal(found.split, pd.Series(SPLIT[rows]).groupby(STIMULUS[rows]).first()[found.stimulus])


def test_averages_of_sessions_that_come_one_by_one_are_those_of_pandas(tmp_path: Path) -> None:
    session = np.tile([1, 2, 3, 4], ROWS // 4)
    source = ZScored(ArraySource("key", Path("x"), (values(),)), session)
    found = screen(measured(source, average=True), tmp_path)
    whole = pd.DataFrame(values()[:, [0, 1, 3, 4, 6, 8]].astype(np.float64))
    scored = whole.groupby(session).transform(lambda x: (x - x.mean()) / x.std(ddof=0))[SPLIT != ""]
    means = scored.groupby(STIMULUS[SPLIT != ""]).mean()
    same = np.isin([i for i in range(VOXELS) if i not in found.dropped], [0, 1, 3, 4, 6, 8])
    np.testing.assert_allclose(found.values[:, same], means.loc[found.stimulus], rtol=1e-4, atol=1e-6)


def test_a_voxel_constant_in_a_session_is_dropped(tmp_path: Path) -> None:
    drawn = np.random.default_rng(0).normal(size=(ROWS, 3)).astype(np.float32)
    drawn[:10, 1] = 0.1
    source = ZScored(ArraySource("key", Path("x"), (drawn,)), np.repeat([1, 2, 3, 4], 10))
    assert screen(Measured("1", source, STIMULUS, SPLIT), tmp_path).dropped == (1,)


@pytest.mark.parametrize("average", [False, True])
def test_a_survey_says_all_that_screening_does_but_the_values(tmp_path: Path, average: bool) -> None:
    told = survey(measured(average=average), tmp_path)
    assert files(tmp_path) == {"verdict.npz"}
    found = screen(measured(average=average), tmp_path)
    assert told.values.shape == found.values.shape
    assert told.values.dtype == found.values.dtype
    assert np.isnan(told.values).all()
    assert set(told.values.strides) == {0}  # takes no room
    for one in fields(Responses):
        if one.name in ("values", "unprepared"):  # the values, and what room they will take
            continue
        mine, other = (pd.Series([getattr(responses, one.name)]).map(repr)[0] for responses in (told, found))
        assert mine == other, one.name


def test_the_key_follows_everything_that_is_in_it(tmp_path: Path) -> None:
    one = measured()
    changed = values()
    changed[np.flatnonzero(SPLIT == "test")[0], 0] += 1
    split = SPLIT.copy()
    split[STIMULUS[np.flatnonzero(SPLIT == "val")[0]] == STIMULUS] = "test"
    assert one.coordinates is not None
    assert one.noise_ceiling is not None
    others = [
        one,
        replace(one, subject="2"),
        replace(one, average=True),
        replace(one, source=ArraySource("other", Path("x"), (changed,))),
        replace(one, split=split),
        replace(one, coordinates=one.coordinates + 1),
        replace(one, noise_ceiling=one.noise_ceiling / 2),
        replace(one, rois={}),
    ]
    assert len({survey(other, tmp_path).key for other in others}) == len(others)
    # By content: what the file is called, and what its useless voxels hold, is no part of it.
    elsewhere = replace(one, source=ArraySource("copy", Path("elsewhere"), (values(),)), notes=())
    assert survey(elsewhere, tmp_path).key == survey(one, tmp_path).key


def test_the_cache_is_written_once_and_the_source_read_no_more(tmp_path: Path) -> None:
    source = Watched(ArraySource("key", Path("x"), (values(),)))
    first = screen(measured(source), tmp_path)
    assert source.readings == 2  # once to look, once to write
    before = states(tmp_path)
    again = screen(measured(source), tmp_path)
    survey(measured(source), tmp_path)
    assert source.readings == 2
    assert states(tmp_path) == before
    np.testing.assert_array_equal(first.values, again.values)
    assert isinstance(again.values, np.memmap)


def test_nobody_can_spoil_the_cache_or_the_file(tmp_path: Path) -> None:
    expected = np.array(screen(measured(), tmp_path).values)
    screen(measured(), tmp_path).values[:] = 0
    np.testing.assert_array_equal(screen(measured(), tmp_path).values, expected)


def test_a_draft_that_was_cut_short_is_not_taken_for_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "_BLOCK", 50)
    source = Watched(ArraySource("key", Path("x"), (values(),)), breaks_in=2)
    with pytest.raises(KeyboardInterrupt):
        screen(measured(source), tmp_path)
    assert files(tmp_path) == {"verdict.npz"}
    # Killed outright, it leaves its draft behind.
    (next(tmp_path.rglob("verdict.npz")).parent / ".1.npy").write_bytes(b"\x93NUMPY")
    found = screen(measured(source), tmp_path)
    np.testing.assert_array_equal(found.values, values()[SPLIT != ""][:, KEPT])


def test_prepared_values_that_were_damaged_are_prepared_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    expected = np.array(screen(measured(), tmp_path).values)
    path = next(tmp_path.rglob("values.npy"))
    content = bytearray(path.read_bytes())
    content[-2] ^= 1
    path.write_bytes(content)
    # The verdict is sound, so the source is read once, to write.
    source = Watched(ArraySource("key", Path("x"), (values(),)))
    np.testing.assert_array_equal(screen(measured(source), tmp_path).values, expected)
    assert source.readings == 1
    assert "values.npy is damaged" in caplog.text


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 and no more", None])
def test_findings_that_were_cut_short_are_found_again(tmp_path: Path, damage: bytes | None) -> None:
    expected = survey(measured(), tmp_path)
    path = next(tmp_path.rglob("verdict.npz"))
    path.write_bytes(path.read_bytes()[:-30] if damage is None else damage)
    assert survey(measured(), tmp_path).key == expected.key
    source = Watched(ArraySource("key", Path("x"), (values(),)))
    survey(measured(source), tmp_path)
    assert source.readings == 0  # and kept


def test_a_file_that_holds_just_the_values_is_mapped_as_it_is(tmp_path: Path) -> None:
    whole = np.random.default_rng(0).normal(size=(ROWS, VOXELS)).astype(np.float32)
    np.save(tmp_path / "responses.npy", whole)
    plain = Measured(
        "1",
        NpySource("key", (tmp_path / "responses.npy",)),
        np.arange(ROWS),
        np.where(np.arange(ROWS) % 5, "train", "test"),
    )
    found = screen(plain, tmp_path / "cache")
    assert files(tmp_path / "cache") == {"verdict.npz"}
    np.testing.assert_array_equal(found.values, whole)
    # Left out rows or voxels, or averages, are another matter.
    fewer = replace(plain, split=np.where(np.arange(ROWS) % 5, "train", ""))
    assert screen(fewer, tmp_path / "cache").values.shape == (32, VOXELS)
    assert "values.npy" in files(tmp_path / "cache")


def test_without_a_voxel_or_without_room_there_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nothing = Measured(
        "1", ArraySource("k", Path("r.npy"), (np.full((4, 3), np.nan),)), np.arange(4), np.repeat("train", 4)
    )
    with pytest.raises(DataError, match="r.npy: no voxel is left of 3: 3 with NaN or infinite values, 0 constant"):
        survey(nothing, tmp_path)
    monkeypatch.setattr(screening.shutil, "disk_usage", lambda folder: SimpleNamespace(free=100))
    with pytest.raises(StoreError, match="0.0 GB left, the responses take .* move the cache with BRAINBENCH_CACHE"):
        screen(measured(), tmp_path)
    assert "values.npy" not in files(tmp_path)


@pytest.mark.parametrize("average", [False, True])
def test_preparing_holds_a_few_blocks_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, average: bool) -> None:
    monkeypatch.setattr(sources, "_BLOCK", 2**15)  # 128 KiB as float32
    np.save(tmp_path / "all.npy", np.random.default_rng(0).random((2000, 2000), np.float32))  # 16 MB
    stimulus, split = np.arange(2000) // 2, np.repeat(["train", "test", "", "val"], 500)
    one = Measured("1", NpySource("key", (tmp_path / "all.npy",)), stimulus, split, average=average)
    tracemalloc.start()
    found = screen(one, tmp_path / "cache")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found.values.shape == (750 if average else 1500, 2000)
    assert peak < 2 * 2**20, peak


@pytest.mark.parametrize("average", [False, True])
def test_rows_of_one_stimulus_in_two_splits_are_refused(tmp_path: Path, average: bool) -> None:
    source = ArraySource("key", tmp_path / "responses.npy", (np.random.default_rng(0).normal(size=(4, 3)),))
    measured = Measured("7", source, np.array([0, 1, 1, 2]), np.array(["train", "train", "test", "val"]), average)
    with pytest.raises(DataError, match=r"rows of stimulus 1 of subject 7 are in 2 splits"):
        survey(measured, tmp_path)
