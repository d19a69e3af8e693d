"""``brainbench check`` on its own encoder; the bounds themselves are met or not by real fits, outside the test run."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import toy
from torch import nn

import brainbench.registry
from brainbench import ModuleBackbone, square
from brainbench.cli import main
from brainbench.commands import check as checking
from brainbench.testing import BACKBONE_CHECKS, DATASET_CHECKS, METRIC_CHECKS

SMALL = "--seeds 1 --set planted.images=100 --set planted.voxels=100 --set *.steps=5"
Shell = Callable[[str], tuple[int, str, str]]


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BRAINBENCH_CACHE", str(tmp_path / "cache"))

    def go(line: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(line.split())
        out, err = capsys.readouterr()
        return int(ended.value.code or 0), out, err

    return go


@pytest.mark.slow
def test_recovered_stands_beside_expected_and_five_steps_are_not_enough(shell: Shell, tmp_path: Path) -> None:
    code, out, _ = shell(f"check factortopy {SMALL} --json")
    findings = {row["figure"]: row for row in json.loads(out)}
    assert code == 1
    assert set(findings) == {bound.figure for bound in checking.BOUNDS}
    assert not findings["layer r"]["within"]
    assert findings["R2 / noise ceiling"]["recovered"] < 0.79
    assert {path.name for path in tmp_path.iterdir()} == {"cache"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("given", "steps"), [("", checking.STEPS), ("recipe=fast", None), ("passes=3", None), ("steps=9", 9)]
)
def test_a_recipe_that_is_asked_for_keeps_its_own_steps(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, given: str, steps: int | None
) -> None:
    asked: list[tuple[str, ...]] = []
    monkeypatch.setattr(checking, "_records", lambda request, *_: asked.append(tuple(request.settings)) or [])
    shell("check factortopy" + (f" --set factortopy.{given}" if given else ""))
    set_here = [text.split("=")[1] for text in asked[0] if text.startswith("factortopy.steps")]
    assert [int(text) for text in set_here[-1:]] == ([steps] if steps else [])


@pytest.mark.slow
def test_an_encoder_without_selectors_is_asked_for_its_predictions_alone(shell: Shell) -> None:
    _, out, _ = shell(f"check classtoken {SMALL}")
    assert [line.split("\t")[0] for line in out.splitlines()] == ["score", "R2 / noise ceiling"]


@pytest.mark.slow
def test_all_within_is_exit_0(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    easy = checking.Bound("R2 / noise ceiling", "anything", lambda x: True)
    monkeypatch.setattr(checking, "BOUNDS", (easy,))
    code, out, _ = shell(f"check classtoken {SMALL}")
    assert code == 0
    assert out.splitlines()[1].split("\t")[2:] == ["anything", "pass"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("check factortopi", "did you mean 'factortopy'"),
        ("check clipp/mini", "unknown backbone 'clipp/mini'"),
        ("check peerson", "did you mean 'pearson'"),
        ("check demoo", "did you mean 'demo'"),
        ("check none/*", "no backbone matches 'none/*'"),
        ("check factortopy --data randon", "did you mean 'random'"),
        ("check factortopy --set planted.image=3", "did you mean 'images'"),
    ],
)
def test_bad_usage_is_one_line_and_2(shell: Shell, line: str, message: str) -> None:
    code, out, err = shell(line)
    assert (code, out) == (2, "")
    assert len(err.strip().splitlines()) == 1
    assert message in err


@pytest.mark.slow
def test_a_backbone(shell: Shell) -> None:
    code, out, _ = shell("check pixels,random@untrained --json")
    rows = json.loads(out)
    assert code == 0
    assert {row["name"] for row in rows} == {"pixels", "random"}
    assert [row["check"] for row in rows if row["name"] == "random"] == list(BACKBONE_CHECKS)
    assert all(row["passed"] for row in rows)


def test_a_backbone_that_is_not_as_it_should_be(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    def make() -> ModuleBackbone:
        return ModuleBackbone(nn.Sequential(nn.ReLU()), ["0"], lambda image: square(image, 8))

    registry = toy.registry([toy.backbone("toy/net", make=make, layers=3, weights="none")])
    monkeypatch.setattr(brainbench.registry, "installed", lambda: registry)
    code, out, _ = shell("check toy/net")
    assert code == 1
    assert "toy/net\tcard\tfail\tthe card says layers 3, the network has 1" in out


@pytest.mark.slow
@pytest.mark.parametrize(("name", "checks"), [("pearson", METRIC_CHECKS), ("folder", DATASET_CHECKS)])
def test_a_metric_and_a_dataset(shell: Shell, name: str, checks: dict[str, object]) -> None:
    code, out, _ = shell(f"check {name}")
    rows = [line.split("\t")[:3] for line in out.splitlines()[1:]]
    assert rows == [[name, check, "pass"] for check in checks]
    assert code == 0


def test_a_dataset_is_read_from_the_folder_that_is_named(shell: Shell, tmp_path: Path) -> None:
    code, out, _ = shell(f"check folder --data {tmp_path / 'nowhere'}")
    assert code == 1
    assert "folder\tsubjects\tfail\t" in out
    assert "nowhere" in out


def test_a_name_of_a_plugin_that_is_not_there_says_what_to_install(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(brainbench.registry, "installed", toy.registry)
    code, _, err = shell("check miou")
    assert code == 2
    assert "unknown metric 'miou'; it comes with: pip install brainbench-plugin-alignedcut" in err
