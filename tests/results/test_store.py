from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import zarr
from records import a_record

from brainbench import StoreError
from brainbench.records import Cost, MetricResult, Record
from brainbench.results.arrays import StoredArrays, read_arrays, write_arrays
from brainbench.results.artifacts import count_parameters, write_parameters
from brainbench.results.store import read_digests, read_record, read_records, supersede, write_record
from brainbench.util.hashing import digest


def record(artifacts: dict[str, str]) -> Record:
    return a_record(key="key", artifacts=artifacts)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"key": "*"}, r"its key '\*' must be 64 hexadecimal digits"),
        ({"key": "../victim/paper"}, "its key '../victim/paper' must be"),
        ({"key": "a" * 64}, "must be 64 hexadecimal digits and the file's name"),
        ({"dataset": {"name": ""}}, "the name '': it has 0 characters, allowed are 1 to 1000"),
        ({"dataset": {"subject": "=cmd()"}}, "begins with =, which spreadsheets take for a formula"),
        (
            {"metrics": {"r2": MetricResult("1", values={"all": 1e300})}},
            "r2: all is 1e.300, allowed are numbers up to 1e.100",
        ),
        ({"metrics": {"r2": MetricResult("1", values={"all": float("nan")})}}, "r2: all is nan"),
        (
            {"metrics": {"r2": MetricResult("1", values={"all": 1}, draws={"all": "AAAA"})}},
            "the draws of all are not 1000",
        ),
        ({"dataset": {"title": "a\nb"}}, r"the name 'a\\nb': it holds a control character or a line break"),
    ],
)
def test_a_strangers_record_is_refused(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    made = a_record(**changes)
    path = tmp_path / f"{'b' * 64 if len(made.key) < 64 or 'key' in changes else made.key}.json"
    path.write_text(json.dumps(made.to_json()))
    with pytest.raises(StoreError, match=message):
        read_record(path)


def test_files_that_are_no_records_are_named_and_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    made = a_record()
    path = write_record(tmp_path, made)
    (tmp_path / f"._{path.name}").write_bytes(b"\0\5\x16\7")
    (tmp_path / "my settings.json").write_text("{}")
    (tmp_path / f"{made.key} copy.json").write_bytes(path.read_bytes())
    (tmp_path / "params.json").write_text("[1, 2]")
    (tmp_path / f"{'0' * 64}.json").write_text("{")
    assert read_records(tmp_path) == [made]
    assert len(caplog.messages) == 5
    for name, cure in (
        ("params", "it holds no JSON object); move it elsewhere"),
        ("0" * 64, "; delete it and run the same"),
    ):
        assert any(f"{name}.json: not a readable record (" in line and cure in line for line in caplog.messages)
    assert read_records(tmp_path) == [made]
    assert len(caplog.messages) == 5  # once in a process


def test_superseding_moves_nothing_of_others(tmp_path: Path) -> None:
    results, victim = tmp_path / "results", tmp_path / "victim"
    results.mkdir()
    victim.mkdir()
    (victim / "paper.txt").write_text("mine")
    (results / "notes.txt").write_text("mine")
    new = a_record()
    write_record(results, new)
    for number, key in enumerate(("*", "../victim/paper")):
        evil = replace(a_record(), key=key)
        (results / f"{number}.json").write_text(json.dumps(evil.to_json()))
    assert supersede(results, {new.key}) == []
    assert (victim / "paper.txt").exists()
    assert (results / "notes.txt").exists()


ARRAYS: dict[str, np.ndarray] = {
    "predictions": np.arange(6, dtype=np.float32).reshape(2, 3),
    "roi.a": np.array([True, False, True]),
    "roi.a/b 50%": np.array([False, False, True]),
}


def test_arrays_come_back_as_they_were_whatever_their_names(tmp_path: Path) -> None:
    kept = record(write_arrays(tmp_path, "key", ARRAYS, {"ids": ["x", "y"]}))
    found = read_arrays(tmp_path, kept)
    assert found is not None
    assert found[0].keys() == ARRAYS.keys()
    assert all(
        np.array_equal(found[0][name], array) and found[0][name].dtype == array.dtype for name, array in ARRAYS.items()
    )
    assert found[1] == {"ids": ["x", "y"]}


def test_a_stored_array_is_read_alone_and_only_if_it_is_the_right_one(tmp_path: Path) -> None:
    kept = record(write_arrays(tmp_path, "key", ARRAYS, {}))
    group: Any = zarr.open_group(tmp_path / "key.zarr", mode="r+")
    group["predictions"][0, 0] = 7.0
    stored = StoredArrays(tmp_path, kept)
    assert "predictions" not in stored
    assert set(stored) == {"roi.a", "roi.a/b 50%"}
    assert len(stored) == 2
    assert stored["roi.a"].tolist() == [True, False, True]
    with pytest.raises(KeyError, match="predictions"):
        _ = stored["predictions"]
    with pytest.raises(KeyError, match="nothing"):
        _ = stored["nothing"]
    shutil.rmtree(tmp_path / "key.zarr")
    assert not list(stored)
    assert not list(StoredArrays(tmp_path, record({})))


def test_parameters_are_counted_from_the_header(tmp_path: Path) -> None:
    parameters = {"w": torch.zeros(3, 4), "b": torch.zeros(5, dtype=torch.bfloat16), "scale": torch.tensor(1.0)}
    kept = record(write_parameters(tmp_path, "key", parameters))
    assert count_parameters(tmp_path, kept) == 12 + 5 + 1
    (tmp_path / "key.safetensors").write_bytes(b"damaged!")
    assert count_parameters(tmp_path, kept) is None
    (tmp_path / "key.safetensors").unlink()
    assert count_parameters(tmp_path, kept) is None


def test_a_record_from_before_anonymous_memory_was_watched_is_read_and_its_digest_holds(tmp_path: Path) -> None:
    old = a_record().to_json()
    path = tmp_path / f"{old['key']}.json"
    del old["digest"], old["cost"]["peak_anonymous_mb"]
    path.write_text(json.dumps({**old, "digest": digest(old)}))
    assert read_record(path).cost == Cost(1, 1, "cpu", None)
    stated, found = read_digests(path)
    assert stated == found
