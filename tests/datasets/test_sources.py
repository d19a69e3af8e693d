from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import zscore

from brainbench import DataError
from brainbench.datasets import ArraySource, NpySource, Source, ZScored, sources

ROWS = np.array([11, 3, 0, 7, 8, 2])


@pytest.fixture(params=[1, 40, 2**24], ids=["row by row", "few rows", "at once"])
def block(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(sources, "_BLOCK", request.param)
    return int(request.param)


def read(source: Source, rows: np.ndarray) -> np.ndarray:
    """[n, V] in the order of ``rows``; every row has to come once."""
    blocks = list(source.blocks(rows))
    came = np.concatenate([some for some, _ in blocks])
    assert sorted(came.tolist()) == sorted(rows.tolist())
    values = np.concatenate([values for _, values in blocks])
    assert values.dtype == np.float32
    place = {row: index for index, row in enumerate(came.tolist())}
    return values[[place[row] for row in rows.tolist()]]


def sides(folder: Path) -> list[np.ndarray]:
    """Two hemispheres and one more, of different types and orders, as .npy files."""
    rng = np.random.default_rng(0)
    arrays = [
        rng.normal(size=(12, 5)).astype(np.float32),
        np.asfortranarray(rng.normal(size=(12, 3))),
        rng.integers(-300, 300, (12, 4)).astype(">i2"),
    ]
    for number, array in enumerate(arrays):
        np.save(folder / f"{number}.npy", array)
    return arrays


@pytest.mark.usefixtures("block")
def test_files_and_arrays_lie_side_by_side_as_hstack_puts_them(tmp_path: Path) -> None:
    arrays = sides(tmp_path)
    expected = np.hstack([array.astype(np.float32) for array in arrays])
    files = NpySource("key", tuple(tmp_path / f"{number}.npy" for number in range(3)))
    for source in (files, ArraySource("key", tmp_path, tuple(arrays))):
        assert source.shape == (12, 12)
        np.testing.assert_array_equal(read(source, ROWS), expected[ROWS])
        np.testing.assert_array_equal(read(source, np.arange(12)), expected)


def test_blocks_are_as_large_as_agreed_and_in_the_order_of_the_rows(tmp_path: Path, block: int) -> None:
    sides(tmp_path)
    blocks = list(NpySource("key", (tmp_path / "0.npy",)).blocks(ROWS))
    assert [len(values) for _, values in blocks] == {1: [1] * 6, 40: [6], 2**24: [6]}[block]
    np.testing.assert_array_equal(np.concatenate([rows for rows, _ in blocks]), ROWS)


def test_only_one_file_of_float32_row_by_row_is_whole(tmp_path: Path) -> None:
    arrays = sides(tmp_path)
    files = [tmp_path / f"{number}.npy" for number in range(3)]
    whole = NpySource("key", (files[0],)).whole
    assert whole is not None
    np.testing.assert_array_equal(whole, arrays[0])
    np.save(tmp_path / "fortran.npy", np.asfortranarray(arrays[0]))
    for paths in ((files[1],), (files[2],), (files[0], files[0]), (tmp_path / "fortran.npy",)):
        assert NpySource("key", paths).whole is None
    assert ArraySource("key", tmp_path, (arrays[0],)).whole is None


def test_writing_to_what_was_read_does_not_change_the_file(tmp_path: Path) -> None:
    arrays = sides(tmp_path)
    source = NpySource("key", (tmp_path / "0.npy",))
    assert source.whole is not None
    source.whole[:] = 0
    for _, values in source.blocks(ROWS):
        values[:] = 0
    np.testing.assert_array_equal(np.load(tmp_path / "0.npy"), arrays[0])


@pytest.mark.usefixtures("block")
def test_z_scores_are_those_of_scipy_session_by_session() -> None:
    rng = np.random.default_rng(1)
    values = rng.normal(100, 3, (12, 6)).astype(np.float32)
    session = np.array(["b", "a", "a", "b", "c", "b", "a", "a", "b", "c", "c", "a"])
    expected = np.empty(values.shape)
    for name in "abc":
        expected[session == name] = zscore(values[session == name].astype(np.float64), axis=0)
    source = ZScored(ArraySource("key", Path("x"), (values[:, :2], values[:, 2:])), session)
    np.testing.assert_allclose(read(source, np.arange(12)), expected, rtol=1e-5, atol=1e-6)
    # By the figures of the whole session, however few of its rows are asked for.
    np.testing.assert_allclose(read(source, ROWS), expected[ROWS], rtol=1e-5, atol=1e-6)
    assert (source.shape, source.whole) == ((12, 6), None)


@pytest.mark.parametrize("offset", [0.0, 1 / 3, 1e6, -7e20])
def test_what_is_constant_or_not_finite_in_a_session_has_no_z_score_there(offset: float) -> None:
    values = np.random.default_rng(2).normal(size=(9, 4)).astype(np.float32)
    values[:5, 1] = offset
    values[6, 2] = np.nan
    values[2, 3] = np.inf
    found = read(ZScored(ArraySource("key", Path("x"), (values,)), np.repeat([1, 2], [5, 4])), np.arange(9))
    np.testing.assert_array_equal(np.isfinite(found[:5]).all(axis=0), [True, False, True, False])
    np.testing.assert_array_equal(np.isfinite(found[5:]).all(axis=0), [True, True, False, True])
    assert np.isnan(found[:5, 1]).all()


def test_the_key_of_z_scores_names_values_and_sessions() -> None:
    values = (np.zeros((3, 2)),)
    keys = {
        ZScored(ArraySource(key, Path("x"), values), session).key
        for key in ("one", "two")
        for session in (["a", "a", "b"], ["a", "b", "b"], ["ab", "", "b"])
    }
    assert len(keys) == 6


def test_every_row_needs_a_session() -> None:
    source = ArraySource("key", Path("betas"), (np.zeros((3, 2)),))
    with pytest.raises(DataError, match="betas: 3 rows, but 2 of them have a session"):
        ZScored(source, ["a", "b"])


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "float64", "fortran"])
def test_reading_holds_a_few_blocks_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dtype: str) -> None:
    monkeypatch.setattr(sources, "_BLOCK", 2**15)  # 128 KiB as float32
    rng = np.random.default_rng(3)
    array = rng.random((2000, 2000), np.float32)  # 16 MB
    np.save(tmp_path / "all.npy", np.asfortranarray(array) if dtype == "fortran" else array.astype(dtype))
    files = NpySource("key", (tmp_path / "all.npy",))
    for source in (files, ZScored(files, np.repeat(np.arange(4), 500))):
        tracemalloc.start()
        total = sum(float(values.sum(dtype=np.float64)) for _, values in source.blocks(np.arange(2000)))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert np.isfinite(total)
        assert peak < 2 * 2**20, peak
