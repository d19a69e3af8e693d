from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import zarr
from records import a_record

from brainbench.records import Cost, Record
from brainbench.results.arrays import StoredArrays, read_arrays, write_arrays
from brainbench.results.artifacts import count_parameters, write_parameters
from brainbench.results.store import read_digests, read_record
from brainbench.util.hashing import digest


def record(artifacts: dict[str, str]) -> Record:
    return a_record(key="key", artifacts=artifacts)


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
    old = record({}).to_json()
    del old["digest"], old["cost"]["peak_anonymous_mb"]
    (tmp_path / "key.json").write_text(json.dumps({**old, "digest": digest(old)}))
    assert read_record(tmp_path / "key.json").cost == Cost(1, 1, "cpu", None)
    stated, found = read_digests(tmp_path / "key.json")
    assert stated == found
