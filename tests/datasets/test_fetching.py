"""Downloads from a server that cuts, corrupts and moves files."""

from __future__ import annotations

import shutil
from collections import namedtuple
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from publisher import Publisher, publishing

from brainbench import DataError, StoreError
from brainbench.datasets import fetched
from brainbench.datasets.fetching import fetch
from brainbench.util.progress import Silent

FILES = {"a.npy": np.random.default_rng(0).bytes(5000), "deep/b.zip": np.random.default_rng(1).bytes(3000)}


@pytest.fixture
def server() -> Iterator[Publisher]:
    with publishing(dict(FILES)) as publisher:
        yield publisher


def contents(folder: Path) -> dict[str, bytes]:
    found = (path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def test_what_is_there_is_not_asked_for_again(server: Publisher, tmp_path: Path) -> None:
    paths = fetch(server.remote(), tmp_path, Silent())
    assert contents(tmp_path) == FILES
    assert paths == [tmp_path / name for name in FILES]
    (tmp_path / "a.npy").write_bytes(FILES["a.npy"][:-1] + b"?")
    server.asked.clear()
    fetch(server.remote(), tmp_path, Silent())
    assert contents(tmp_path) == FILES
    assert server.asked == [("a.npy", 0)]


@pytest.mark.parametrize("ranges", [True, False])
def test_a_download_that_breaks_off_goes_on(server: Publisher, tmp_path: Path, ranges: bool) -> None:
    server.cut["a.npy"], server.ranges = 2000, ranges
    with pytest.raises(DataError, match=r"/a\.npy broke off after 2,000 of 5,000 bytes: run the same command again"):
        fetch(server.remote(), tmp_path, Silent())
    assert contents(tmp_path) == {"a.npy.part": FILES["a.npy"][:2000]}
    server.cut.clear()
    server.asked.clear()
    fetch(server.remote(), tmp_path, Silent())
    assert contents(tmp_path) == FILES
    assert server.asked == [("a.npy", 2000), ("deep/b.zip", 0)]


def test_another_file_than_the_published_one_is_deleted(server: Publisher, tmp_path: Path) -> None:
    server.corrupt.add("a.npy")
    with pytest.raises(
        DataError, match=r"/a\.npy gives another file than the one that was published .* or name a copy"
    ):
        fetch(server.remote(), tmp_path, Silent())
    assert contents(tmp_path) == {}
    server.corrupt.clear()
    fetch(server.remote(), tmp_path, Silent())
    assert contents(tmp_path) == FILES


@pytest.mark.parametrize("size", [5100, 4900])
def test_a_file_of_another_size_is_not_taken(server: Publisher, tmp_path: Path, size: int) -> None:
    said = server.remote()
    server.files["a.npy"] = (FILES["a.npy"] + bytes(100))[:size]
    with pytest.raises(DataError, match=r"gives another file|broke off after 4,900"):
        fetch(said, tmp_path, Silent())
    assert not (tmp_path / "a.npy").exists()


def test_a_part_that_is_too_long_is_begun_anew(server: Publisher, tmp_path: Path) -> None:
    (tmp_path / "a.npy.part").write_bytes(bytes(6000))
    fetch(server.remote(), tmp_path, Silent())
    assert contents(tmp_path) == FILES


def test_moved_files_are_followed_and_missing_ones_named(server: Publisher, tmp_path: Path) -> None:
    said = server.remote()
    server.moved["a.npy"] = "new/a.npy"
    fetch(said, tmp_path, Silent())
    assert contents(tmp_path) == FILES
    gone = replace(said[0], path="c.npy", url=f"{server.url}/c.npy")
    with pytest.raises(DataError, match=r"/c\.npy answers 404 .*; get the file elsewhere and put it at .*c\.npy, or"):
        fetch([gone], tmp_path, Silent())
    assert contents(tmp_path) == FILES


def test_a_copy_of_the_site(server: Publisher, tmp_path: Path) -> None:
    moved = [replace(file, url="http://127.0.0.1:9/elsewhere") for file in server.remote()]
    with pytest.raises(
        DataError, match=r"http://127\.0\.0\.1:9/elsewhere cannot be reached \(.+\); run the same command"
    ):
        fetch(moved, tmp_path, Silent())
    fetch(moved, tmp_path, Silent(), mirror=f"{server.url}/")
    assert contents(tmp_path) == FILES


def test_a_full_disk(server: Publisher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(7000))
    with pytest.raises(
        StoreError, match=r"has 0\.00 GB left, the download takes 0\.00 GB: free space there, or .*--to"
    ):
        fetch(server.remote(), tmp_path, Silent())
    assert server.asked == []


def test_a_dataset_finds_its_downloads(server: Publisher, tmp_path: Path) -> None:
    files, folder = server.remote(), tmp_path / "cache/data/net"
    with pytest.raises(DataError, match=r"net: .*a\.npy is missing; `brainbench data fetch net` brings it, or --data"):
        fetched("net", files, None, tmp_path / "cache")
    fetch(files, folder, Silent())
    assert fetched("net", files, None, tmp_path / "cache") == folder
    assert fetched("net", files, folder, tmp_path / "other") == folder
    (folder / "a.npy").write_bytes(b"short")
    with pytest.raises(
        DataError, match=r"net: .*a\.npy has 5 bytes, not 5,000; delete it and `brainbench data fetch net`"
    ):
        fetched("net", files, folder, tmp_path)
