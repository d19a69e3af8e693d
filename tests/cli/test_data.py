"""``brainbench data``, from the directory that is made to the board of the command that is proposed."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from pathlib import Path

import layout
import numpy as np
import pytest
import toy

import brainbench.registry
from brainbench.cli import main

Shell = Callable[[str], tuple[int, str, str]]


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BRAINBENCH_CACHE", str(tmp_path / "cache"))
    encoders = [toy.encoder("factortopy"), toy.encoder("classtoken")]
    known = toy.registry(encoders=encoders, datasets=[layout.card(), toy.dataset()])
    monkeypatch.setattr(brainbench.registry, "installed", lambda: known)

    def go(line: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(shlex.split(line))
        out, err = capsys.readouterr()
        return int(ended.value.code or 0), out, err

    return go


def test_from_nothing_to_a_board_by_pasting(shell: Shell, tmp_path: Path) -> None:
    code, out, err = shell("data make marked 'my data' --set subjects=1")
    assert (code, err) == (0, "")
    simulated, following = out.splitlines()
    assert simulated == "simulated: my data has the layout of marked; no brain was measured"
    assert following == "brainbench data check 'my data'"
    code, out, err = shell(following.removeprefix("brainbench "))
    assert (code, err) == (0, "")
    command = out.splitlines()[-1]
    assert command == "brainbench run --dataset marked --data 'my data'"
    assert not (tmp_path / "leaderboards").exists()
    code, _, _ = shell(command.removeprefix("brainbench "))
    assert code == 0
    assert (tmp_path / "leaderboards/marked.md").exists()


def test_a_screen_a_subject(shell: Shell) -> None:
    shell("data make marked data")
    values = np.load("data/subjects/s2/responses.npy")
    values[0, 3] = np.nan
    np.save("data/subjects/s2/responses.npy", values)
    np.save("data/subjects/s2/noise_ceiling.npy", np.linspace(0, 1, 5, dtype=np.float32))
    _, out, _ = shell("data check data --set marked.split_seed=1")
    rows = [line.split("\t") for line in out.splitlines()]
    assert ["dataset", "marked"] in rows
    first, second = (rows[start : start + 15] for start in (rows.index(["subject", f"s{n}"]) for n in (1, 2)))
    assert ["not there", "optional: noise_ceiling.npy (noise_ceiling.npy)"] in first
    assert ["responses.npy", "responses.npy, 728 bytes, 30 rows"] in first
    assert ["responses", "30 rows x 5 voxels"] in first
    assert ["voxels lost", "none"] in first
    assert ["images", "30; all can be read; no two alike"] in first
    assert ["alignment", "one row an image; the first row is im00.png, the last im29.png"] in first
    assert ["noise ceiling", "none: scores are not compared with a ceiling"] in first
    assert ["voxels lost", "1 of 5, to NaN, infinite or constant values"] in second
    # The ceiling of the voxel that is left out does not count.
    ceiling = "least 0.000, quarter 0.188, median 0.375, three quarters 0.625, most 1.000"
    assert ["noise ceiling", ceiling] in second
    assert any(row[0] == "split" and row[1].startswith("train 24, val 3, test 3 rows; hash ") for row in second)
    assert ["note", "dropped 1 of 5 voxels: 1 with NaN or infinite values"] in rows
    assert out.splitlines()[-1].endswith("--data data --set marked.split_seed=1")


def test_a_problem_is_a_line_and_the_others_are_shown(shell: Shell) -> None:
    shell("data make marked data")
    Path("data/subjects/s1/images/im03.png").unlink()
    code, out, err = shell("data check data")
    assert code == 2
    (line,) = err.splitlines()
    assert line.startswith("brainbench: subject s1: ")
    assert "30 rows" in line
    assert "29 images" in line
    assert "problem\t" in out
    assert "subject\ts2" in out
    assert out.splitlines()[-1].endswith("--subjects s2")


def test_a_missing_file_is_named_with_where_it_comes_from(shell: Shell) -> None:
    shell("data make marked data --set subjects=1")
    Path("data/subjects/s1/responses.npy").unlink()
    _, out, _ = shell("data check data")
    assert "responses.npy\tMISSING: data/subjects/s1/responses.npy; from https://example.org/data" in out
    assert "responses\tnone" in out


def test_json_says_it_all_in_one_object(shell: Shell) -> None:
    shell("data make marked data")
    Path("data/subjects/s1/responses.npy").write_bytes(b"cut")
    code, out, err = shell("data check data --json")
    found = json.loads(out)
    assert code == 2
    assert len(err.splitlines()) == 1
    assert set(found) >= {"dataset", "root", "version", "subjects", "problems", "disk", "memory", "command"}
    assert (found["dataset"], found["root"]) == ("marked", "data")
    assert found["subjects"]["s1"]["facts"] is None
    assert found["subjects"]["s2"]["facts"]["split_sizes"] == {"train": 24, "val": 3, "test": 3}
    assert found["problems"] == [f"subject s1: {found['subjects']['s1']['problem']}"]
    assert found["disk"]["dataset"] is not None
    assert found["memory"]["machine"] > 0


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("data check nowhere", "nowhere: nothing is there"),
        ("data check .", ". is not the root of marked: did you mean data?"),
        ("data check data --as toydata", "toydata has no layout to check; there are: marked"),
        ("data check data --as mark", "unknown dataset 'mark'"),
        ("data make toydata new", "cannot be simulated; available: marked"),
        ("data make marked data", "data: exists and is not empty"),
        ("data make marked new --set subject=1", "did you mean 'subjects'"),
        ("data mak", "No such command 'mak'"),
    ],
)
def test_bad_usage_is_one_line_and_2(shell: Shell, line: str, message: str) -> None:
    shell("data make marked data")
    code, out, err = shell(line)
    assert (code, out) == (2, "")
    assert len(err.strip().splitlines()) == 1
    assert message in err
    assert not Path("new").exists()


def test_the_help_of_make_lists_what_can_be_set(shell: Shell) -> None:
    code, out, _ = shell("data make --help")
    assert code == 0
    assert "marked (from toy-dist):" in out
    assert "subjects=2" in out
    assert shell("data")[1].startswith("Usage: ")


def test_list_says_what_can_be_checked_and_made(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    known = toy.registry(datasets=[layout.card(), layout.card("other", maker=None), toy.dataset()])
    monkeypatch.setattr(brainbench.registry, "installed", lambda: known)
    _, out, _ = shell("list datasets")
    flags = {row[0]: row[2] for row in (line.split("\t") for line in out.splitlines())}
    assert (flags["marked"], flags["other"], flags["toydata"]) == ("check make", "check", "-")
    _, out, _ = shell("list datasets --json")
    marked, _, other = json.loads(out)
    assert marked["checks"] is True
    assert [(s["name"], s["default"]) for s in marked["maker_settings"]] == [("subjects", 2), ("voxels", 5)]
    assert (other["checks"], other["maker_settings"]) == (False, None)
