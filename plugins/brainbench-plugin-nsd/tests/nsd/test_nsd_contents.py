from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from brainbench_nsd.nsd.card import NSD
from brainbench_nsd.nsd.layout import Layout, find_root

from brainbench import Part


def _parts(root: Path, **given: Any) -> list[Part]:
    return list(NSD.contents(data=root, settings=NSD.own_settings(given)))


def test_all_that_was_made_is_listed_as_there(made: Path, made_volume: Path) -> None:
    for root, given in ((made, {}), (made_volume, {"space": "func1pt8mm"})):
        parts = _parts(root, **given)
        assert all(part.there and part.size > 0 for part in parts)
        assert {part.subject for part in parts} == {"", "1", "2"}
        assert all(part.source.startswith("s3://natural-scenes-dataset/nsddata") for part in parts)
        labelled = sum(
            path.stat().st_size for path in root.rglob("*") if path.is_file() and path.name != "simulated.txt"
        )
        spared = sum(
            path.stat().st_size for path in root.rglob("*") if path.name in ("README", "lh.sphere", "rh.sphere")
        )
        assert sum(part.size for part in parts) == labelled - spared


def test_what_is_missing_is_listed_as_not_there(root: Path) -> None:
    layout = Layout(root)
    layout.images.unlink()
    (layout.own_labels("1") / "lh.floc-faces.mgz").unlink()
    (layout.betas("2", "fsaverage", "betas_fithrf_GLMdenoise_RR") / "rh.betas_session03.mgh").unlink()
    missing = [part for part in _parts(root) if not part.there]
    assert [(part.subject, part.needed, part.place.name) for part in missing] == [
        ("", True, "nsd_stimuli.hdf5"),
        ("1", False, "lh.floc-faces.mgz"),
    ]
    assert missing[0].source == "s3://natural-scenes-dataset/nsddata_stimuli/stimuli/nsd/nsd_stimuli.hdf5"
    assert missing[1].detail == "9 of 10 files"
    betas = [part.detail for part in _parts(root) if part.what.endswith("hemisphere betas")]
    assert betas == ["sessions 1-3", "sessions 1-3", "sessions 1-3", "sessions 1-2"]


@pytest.mark.parametrize("place", ["", "nsddata", "nsddata_betas", "nsddata_betas/ppdata", "..", "../.."])
def test_the_root_is_found_from_near_by(place: str, made: Path, tmp_path: Path) -> None:
    root = tmp_path / "a" / "nsd"
    shutil.copytree(made, root)
    found = find_root((root / place).resolve())
    assert found is not None
    assert found.samefile(root)


def test_other_folders_have_no_root(tmp_path: Path) -> None:
    (tmp_path / "subj01" / "training_split").mkdir(parents=True)
    for which in ("one", "two"):
        (tmp_path / "several" / which / "nsddata" / "experiments").mkdir(parents=True)
    assert find_root(tmp_path / "several") is None
    assert find_root(tmp_path) is None
    assert find_root(tmp_path / "nowhere") is None
