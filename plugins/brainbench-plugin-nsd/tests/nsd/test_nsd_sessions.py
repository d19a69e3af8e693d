from __future__ import annotations

from pathlib import Path

import pytest
from brainbench_nsd.nsd.sessions import choose, number_of, spelled, surface_sessions, volume_sessions

from brainbench import DataError, UsageError

HERE = Path("betas")


@pytest.mark.parametrize(
    ("numbers", "text"),
    [([1], "1"), ([1, 2], "1-2"), ([1, 2, 3, 5, 7, 8], "1-3,5,7-8"), ([4, 2, 1], "1-2,4"), ([], "")],
)
def test_numbers_are_spelled_as_ranges(numbers: list[int], text: str) -> None:
    assert spelled(numbers) == text
    if numbers:
        assert choose(numbers, text, HERE) == tuple(sorted(numbers))


def test_all_sessions_are_used_unless_some_are_named() -> None:
    assert choose([1, 2, 3], "", HERE) == (1, 2, 3)
    assert choose([1, 2, 3], " 2 ", HERE) == (2,)
    assert choose([1, 2, 3], "3,1-2,2", HERE) == (1, 2, 3)


@pytest.mark.parametrize("there", [[1, 3], [2, 3], [1, 2, 5]])
def test_a_gap_is_an_error(there: list[int]) -> None:
    with pytest.raises(DataError, match="no betas of session"):
        choose(there, "", HERE)


@pytest.mark.parametrize("text", ["one", "0", "3-1", "1;2", "1,,2", "-3", "1-"])
def test_what_names_no_session_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="expected numbers and ranges from 1 on, e.g. 1-37 or 1,2,4"):
        choose([1, 2, 3], text, HERE)


def test_files_are_found_by_their_names(tmp_path: Path) -> None:
    names = (
        "lh.betas_session01.mgh",
        "rh.betas_session01.mgh",
        "lh.ncsnr.mgh",
        "lh.betas_session01.mgh.part",
        "notes.txt",
    )
    for name in (
        *names,
        "betas_session02.nii.gz",
        "betas_session01.nii.gz",
        "betas_session01.hdf5",
        "betas_session3.hdf5",
    ):
        (tmp_path / name).touch()
    assert surface_sessions(tmp_path) == {1: (tmp_path / names[0], tmp_path / names[1])}
    assert volume_sessions(tmp_path) == {
        1: tmp_path / "betas_session01.hdf5",
        2: tmp_path / "betas_session02.nii.gz",
    }
    assert number_of(tmp_path / "betas_session02.nii.gz") == 2
    with pytest.raises(ValueError, match="ncsnr"):
        number_of(tmp_path / "lh.ncsnr.mgh")
