from __future__ import annotations

from pathlib import Path

import pytest
from brainbench_nsd.algonauts.layout import root as find
from brainbench_nsd.algonauts.layout import subjects


@pytest.fixture
def release(tmp_path: Path) -> Path:
    place = tmp_path / "far" / "away" / "up" / "release"
    (place / "subj02" / "training_split" / "training_fmri").mkdir(parents=True)
    (place / "subj01" / "roi_masks").mkdir(parents=True)
    return place


def test_the_root_is_found_from_two_levels_around(release: Path) -> None:
    for near in (
        release,
        release / "subj01",
        release / "subj02" / "training_split",
        release.parent,
        release.parents[1],
    ):
        assert find(near) == release
    for far in (release / "subj02/training_split/training_fmri", release.parents[2], release / "nowhere/at/all"):
        assert find(far) is None


def test_a_relative_path_stays_as_it_is(release: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(release)
    assert find(Path()) == Path()
    monkeypatch.chdir(release / "subj01")
    assert find(Path()) == release


def test_subject_folders_of_nsd_itself_are_no_release(tmp_path: Path) -> None:
    (tmp_path / "ppdata" / "subj01" / "behav").mkdir(parents=True)
    assert find(tmp_path / "ppdata") is None


def test_subjects_go_by_number(release: Path) -> None:
    (release / "subj10").mkdir()
    (release / "subject3").mkdir()
    assert list(subjects(release)) == ["1", "2", "10"]
