"""Fits opened again from their records."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import brainbench
from brainbench import StoreError, UsageError
from brainbench.util.hashing import digest


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def at_home(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRAINBENCH_CACHE", str(cache))


@pytest.fixture(scope="module")
def results(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("results")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BRAINBENCH_CACHE", str(cache))
        brainbench.run(
            "pixels",
            "classtoken",
            "planted",
            metrics="r2",
            set={"planted.images": 100, "planted.voxels": 150, "pixels.dtype": "float32", "classtoken.steps": 3},
            no_controls=True,
            results=folder,
            leaderboards=folder / "boards",
        )
    return folder


@pytest.fixture
def record(results: Path, tmp_path: Path) -> Path:
    """A copy that may be damaged."""
    shutil.copytree(results, tmp_path / "results")
    return next((tmp_path / "results").glob("*.json"))


def edit(record: Path, **facts: Any) -> None:
    """Write the record with other facts, and the digest that goes with them."""
    content = json.loads(record.read_text())
    content |= {name: content[name] | new if isinstance(new, dict) and new else new for name, new in facts.items()}
    del content["digest"]
    record.write_text(json.dumps(content | {"digest": digest(content)}))


@pytest.mark.slow
def test_a_fit_comes_with_what_it_was_made_of(record: Path, tmp_path: Path) -> None:
    opened = brainbench.reopen(record)
    facts = json.loads(record.read_text())
    assert opened.stimuli.key == facts["dataset"]["stimuli_key"]
    assert opened.features.key == facts["features_key"]
    assert opened.masks is not None
    assert opened.masks.load(0).ndim == 2
    assert opened.parameters == record.with_suffix(".safetensors")
    # Lost from the cache, tokens are computed again: the same ones.
    again = brainbench.reopen(record, cache=tmp_path / "empty")
    np.testing.assert_array_equal(
        again.features.global_tokens(0, np.arange(3)), opened.features.global_tokens(0, np.arange(3))
    )
    assert opened.features_of(opened.stimuli).key == opened.features.key


def test_parameters_have_to_be_those_of_the_record(record: Path) -> None:
    record.with_suffix(".safetensors").write_bytes(b"something else")
    with pytest.raises(StoreError, match=r"safetensors is missing or damaged; run the same command again with --fresh"):
        brainbench.reopen(record)
    edit(record, artifacts={})
    with pytest.raises(UsageError, match="its parameters were not kept; run the same command again with --keep all"):
        brainbench.reopen(record)


def test_tokens_have_to_be_those_of_the_record(record: Path) -> None:
    edit(record, backbone={"settings": {"dtype": "float16"}})
    with pytest.raises(UsageError, match="are not those it was made with; run the same command again"):
        brainbench.reopen(record)


def test_a_record_without_a_fit_is_refused(record: Path) -> None:
    edit(record, encoder=None)
    with pytest.raises(UsageError, match="this record has no fit; choose a record with an encoder"):
        brainbench.reopen(record)
