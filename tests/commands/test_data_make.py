"""Directories made in a dataset's own layout."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import layout
import numpy as np
import pytest
import toy

from brainbench import DataError, PluginError, UsageError
from brainbench.commands.data_make import make, makers
from brainbench.registry import Registry


@pytest.fixture
def registry() -> Registry:
    return toy.registry(datasets=[layout.card(), toy.dataset()])


def test_a_directory_is_made_with_the_sizes_that_were_set(registry: Registry, tmp_path: Path) -> None:
    assert [entry.name for entry in makers(registry)] == ["marked"]
    make("marked", tmp_path / "a/b", ["voxels=7"], registry)
    assert np.load(tmp_path / "a/b/subjects/s2/responses.npy").shape == (30, 7)
    (tmp_path / "empty").mkdir()
    make("marked", tmp_path / "empty", ["subjects=1"], registry)
    assert [path.name for path in (tmp_path / "empty/subjects").iterdir()] == ["s1"]


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        (
            "marked",
            ["voxel=7"],
            "simulating marked has no setting 'voxel' .did you mean 'voxels'.*subjects=2, voxels=5$",
        ),
        ("marked", ["voxels"], "expected key=value"),
        ("marked", ["voxels=many"], "marked.voxels=many: expected int"),
        ("marked", ["subjects=0"], "must be at least 1"),
        ("toydata", [], "cannot be simulated; available: marked$"),
        ("marke", [], "unknown dataset 'marke'"),
    ],
)
def test_what_cannot_be_made_leaves_nothing(
    registry: Registry, tmp_path: Path, name: str, settings: list[str], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        make(name, tmp_path / "new", settings, registry)
    assert not (tmp_path / "new").exists()


def test_a_folder_in_use_stays_as_it_is(registry: Registry, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("kept")
    for place in (tmp_path, tmp_path / "mine.txt"):
        with pytest.raises(UsageError, match="exists and is not empty; name a new or an empty folder"):
            make("marked", place, [], registry)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_maker_that_raises_is_named(tmp_path: Path) -> None:
    def broken(*, folder: Path, settings: Any) -> None:
        raise KeyError("oh")

    def honest(*, folder: Path, settings: Any) -> None:
        raise DataError("no")

    with pytest.raises(PluginError, match="dataset marked of toy-dist 1.0 failed to make .*: KeyError: 'oh'"):
        make("marked", tmp_path / "a", [], toy.registry(datasets=[layout.card(maker=broken)]))
    with pytest.raises(DataError, match="^no$"):
        make("marked", tmp_path / "b", [], toy.registry(datasets=[layout.card(maker=honest)]))
