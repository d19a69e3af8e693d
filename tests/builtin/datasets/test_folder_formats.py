from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest
from folders import open_folder, responses_of, write_images
from scipy.io import savemat

from brainbench import DataError
from brainbench.builtin.datasets.folder.formats import open_matrix
from brainbench.builtin.datasets.folder.matrices import MatrixSource

Write = Callable[[Path, np.ndarray], Any]


def save_hdf5(path: Path, values: np.ndarray, name: str = "responses", **beside: np.ndarray) -> None:
    with h5py.File(path, "w") as file:
        for key, value in {name: values, **beside}.items():
            file[key] = value


def save_text(path: Path, values: np.ndarray) -> None:
    frame(values).to_csv(path, index=False, sep="\t" if path.suffix == ".tsv" else ",")


def frame(values: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame(values, columns=[f"v{column}" for column in range(values.shape[1])])


WRITERS: dict[str, tuple[str, Write]] = {
    "float32": ("responses.npy", lambda path, values: np.save(path, values.astype(np.float32))),
    "float64": ("responses.npy", np.save),
    "big endian": ("responses.npy", lambda path, values: np.save(path, values.astype(">f4"))),
    "Fortran": ("responses.npy", lambda path, values: np.save(path, np.asfortranarray(values, np.float32))),
    "Fortran float64": ("responses.npy", lambda path, values: np.save(path, np.asfortranarray(values))),
    "csv": ("responses.csv", save_text),
    "tsv": ("responses.tsv", save_text),
    "parquet": ("responses.parquet", lambda path, values: frame(values).to_parquet(path)),
    "parquet in groups": ("responses.parquet", lambda path, values: frame(values).to_parquet(path, row_group_size=7)),
    "parquet with an index": (
        "responses.parquet",
        lambda path, values: frame(values).set_index(pd.Index([f"i{n}" for n in range(len(values))])).to_parquet(path),
    ),
    "hdf5": ("responses.hdf5", save_hdf5),
    "h5": ("responses.h5", lambda path, values: save_hdf5(path, values, "betas", names=np.arange(3))),
    "h5 by name": ("responses.h5", lambda path, values: save_hdf5(path, values, other=values + 1)),
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_images(tmp_path / "data" / "images", 30)
    return tmp_path / "data"


@pytest.mark.parametrize(("name", "write"), WRITERS.values(), ids=WRITERS.keys())
def test_every_format_gives_the_planted_values(
    root: Path, name: str, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Few rows at a time, and with a voxel that is dropped, so that the values go the whole way.
    monkeypatch.setattr("brainbench.datasets.sources._BLOCK", 40)
    values = np.random.default_rng(1).normal(size=(30, 10))
    values[:, 3] = 1
    write(root / name, values)
    found = responses_of(open_folder(root))
    np.testing.assert_array_equal(found.values, np.delete(values, 3, axis=1).astype(np.float32))
    assert found.dropped == (3,)


@pytest.mark.parametrize("dtype", [np.int16, np.uint8, np.float16, bool])
def test_other_numbers_are_welcome(root: Path, dtype: Any) -> None:
    values = np.random.default_rng(1).integers(0, 2, (30, 10)).astype(dtype)
    save_hdf5(root / "responses.h5", values)
    before = responses_of(open_folder(root)).values
    (root / "responses.h5").unlink()
    np.save(root / "responses.npy", values)
    after = responses_of(open_folder(root)).values
    np.testing.assert_array_equal(before, values.astype(np.float32))
    np.testing.assert_array_equal(after, before)


def test_an_empty_cell_of_a_parquet_file_is_nan(root: Path) -> None:
    table = frame(np.random.default_rng(1).integers(0, 9, (30, 4))).astype("Int64")
    table.loc[5, "v2"] = pd.NA
    table.to_parquet(root / "responses.parquet")
    assert responses_of(open_folder(root)).dropped == (2,)


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["npy", "h5", "parquet"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_reading_never_holds_the_whole(
    tmp_path: Path, suffix: str, order: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("brainbench.datasets.sources._BLOCK", 2**16)
    values = np.asarray(np.random.default_rng(0).random((4000, 500), np.float32), order=order)  # 8 MB
    path = tmp_path / f"responses.{suffix}"
    {"npy": np.save, "h5": save_hdf5, "parquet": lambda p, v: frame(v).to_parquet(p, row_group_size=400)}[suffix](
        path, values
    )
    source = MatrixSource("key", ((open_matrix(path),),))
    total = np.zeros(500)
    tracemalloc.start()
    for _, block in source.blocks(np.arange(4000)):
        total += block.sum(axis=0, dtype=np.float64)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    np.testing.assert_allclose(total, values.sum(axis=0, dtype=np.float64))
    assert peak < 2e6


def test_wanted_rows_alone_come_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("brainbench.datasets.sources._BLOCK", 30)
    values = np.random.default_rng(0).normal(size=(20, 5)).astype(np.float32)
    np.save(tmp_path / "a.npy", values[:12])
    save_hdf5(tmp_path / "b.h5", values[12:])
    source = MatrixSource("key", ((open_matrix(tmp_path / "a.npy"),), (open_matrix(tmp_path / "b.h5"),)))
    assert source.shape == (20, 5)
    assert source.whole is None
    rows, blocks = zip(*source.blocks(np.array([19, 3, 4, 13, 0])), strict=True)
    assert np.concatenate(rows).tolist() == [0, 3, 4, 13, 19]
    np.testing.assert_array_equal(np.concatenate(blocks), values[[0, 3, 4, 13, 19]])


def cut(path: Path, share: float = 0.6) -> None:
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])


BAD: dict[str, tuple[Callable[[Path, np.ndarray], Any], str]] = {
    "truncated hdf5": (
        lambda root, values: (save_hdf5(root / "responses.h5", values), cut(root / "responses.h5")),
        r"responses\.h5 cannot be read as HDF5 \(.*\): it may be truncated",
    ),
    "truncated parquet": (
        lambda root, values: (frame(values).to_parquet(root / "responses.parquet"), cut(root / "responses.parquet")),
        r"responses\.parquet cannot be read as Parquet \(.*\): it may be truncated",
    ),
    "two datasets": (
        lambda root, values: save_hdf5(root / "responses.h5", values, "a", b=values),
        r"holds a \(30, 10\), b \(30, 10\): name the one of stimuli x voxels 'responses'",
    ),
    "no dataset": (lambda root, values: save_hdf5(root / "responses.h5", values[0], "a"), r"holds a \(10,\): name"),
    "words": (
        lambda root, values: save_hdf5(root / "responses.h5", np.full((30, 2), b"x", dtype="S1")),
        r"dataset responses holds \|S1 values; save plain numbers",
    ),
    "empty": (lambda root, values: save_hdf5(root / "responses.h5", values[:, :0]), r"empty array of shape \(30, 0\)"),
    "text in parquet": (
        lambda root, values: frame(values).assign(name="x").to_parquet(root / "responses.parquet"),
        r"column 'name' holds (large_)?string values",
    ),
    "truths in parquet": (
        lambda root, values: frame(values).assign(name=True).to_parquet(root / "responses.parquet"),
        r"column 'name' holds bool values",
    ),
    "shuffled by number": (
        lambda root, values: frame(values).sample(frac=1, random_state=0).to_parquet(root / "responses.parquet"),
        r"its index counts the rows in another order \(\d+, \d+, \d+ \.\.\.\): sort them by it, or leave the index out",
    ),
    "shuffled by name": (
        lambda root, values: (
            frame(values)
            .set_axis([f"{i:03}.png" for i in range(30)])
            .sample(frac=1, random_state=0)
            .to_parquet(root / "responses.parquet")
        ),
        r"the names in its index \(0\d\d\.png, 0\d\d\.png \.\.\.\) are not in order; if that column names the images",
    ),
    "objects in npz": (
        lambda root, values: np.savez(root / "responses.npz", betas=np.array(values, object)),
        r"responses\.npz holds Python objects: save plain numbers with numpy\.savez",
    ),
    "npy under the name of HDF5": (
        lambda root, values: (np.save(root / "x.npy", values), (root / "x.npy").rename(root / "responses.h5")),
        r"cannot be read as HDF5 \(.*\): it is a numpy array, and not what its name says: rename it, or save it again",
    ),
    "a web page": (
        lambda root, values: (root / "responses.npy").write_text("<!DOCTYPE html><html>log in</html>"),
        r"responses\.npy is not a readable \.npy file: it is a web page: download the file again",
    ),
    "a folder of Parquet": (
        lambda root, values: (root / "responses.parquet").mkdir(),
        r"cannot be read as Parquet \(.*\): it is a folder, where a file is wanted",
    ),
    "structures alone": (
        lambda root, values: savemat(root / "responses.mat", {"s": {"betas": values}}),
        r"mat holds no array of numbers \(structures, cells and sparse matrices are not read\): save one",
    ),
    "too few rows": (lambda root, values: save_hdf5(root / "responses.h5", values[1:]), r"29 rows .*30 images in"),
    "numbers for a header": (
        lambda root, values: pd.DataFrame(values).to_csv(root / "responses.csv", index=False),
        r"31 rows .*; a first line of numbers is a row, not a header",
    ),
    "transposed": (lambda root, values: save_hdf5(root / "responses.h5", values.T), r"looks transposed"),
    "two formats": (
        lambda root, values: (save_hdf5(root / "responses.h5", values), save_text(root / "responses.tsv", values)),
        r"holds both responses\.tsv and responses\.h5",
    ),
    "ceilings twice": (
        lambda root, values: (
            [save_text(root / f"{n}", values) for n in ("noise_ceiling.csv", "noise_ceiling.tsv")]
            and np.save(root / "responses.npy", values)
        ),
        r"holds both noise_ceiling\.csv and noise_ceiling\.tsv",
    ),
    "ceiling of two columns": (
        lambda root, values: (
            save_text(root / "noise_ceiling.csv", values[:10, :2]),
            np.save(root / "responses.npy", values),
        ),
        r"noise_ceiling\.csv has shape \(10, 2\), expected \(10,\)",
    ),
}


@pytest.mark.parametrize(("spoil", "message"), BAD.values(), ids=BAD.keys())
def test_bad_files_are_one_line(root: Path, spoil: Callable[[Path, np.ndarray], Any], message: str) -> None:
    spoil(root, np.random.default_rng(1).normal(size=(30, 10)))
    with pytest.raises(DataError, match=message) as caught:
        open_folder(root).responses("1")
    assert "\n" not in str(caught.value)


def test_tables_with_tabs_are_read_like_those_with_commas(root: Path) -> None:
    values = np.random.default_rng(1).normal(size=(30, 10))
    np.save(root / "responses.npy", values)
    tables = {
        "rois": ["voxel,roi", "0,V1", "3,V4"],
        "splits": ["image,split", *(f"{i:03}.png,{('train', 'val', 'test')[i % 3]}" for i in range(30))],
        "noise_ceiling": ["share", *(f"{i / 10}" for i in range(10))],
        "stimuli": ["image,group", *(f"{i:03}.png,g{i}" for i in reversed(range(30)))],
    }
    found = []
    for suffix, mark in (("csv", ","), ("tsv", "\t")):
        for name, lines in tables.items():
            (root / f"{name}.{suffix}").write_text("\n".join(lines).replace(",", mark) + "\n")
        found.append(responses_of(open_folder(root)))
        for name in tables:
            (root / f"{name}.{suffix}").unlink()
    assert found[0].key == found[1].key
    assert found[0].noise_ceiling is not None
    np.testing.assert_allclose(found[0].noise_ceiling, np.arange(10) / 10, rtol=1e-6)
    assert {name: mask.nonzero()[0].tolist() for name, mask in found[1].rois.items()} == {"V1": [0], "hV4": [3]}
