"""``leaderboard --verify`` and ``cite`` as a shell sees them."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from experiment import write_experiment

from brainbench.cli import main
from brainbench.metrics.bootstrap import packed, unpacked
from brainbench.util.hashing import digest

Shell = Callable[[str], tuple[int, str, str]]
RUN = (
    "run --dataset folder --data mine --backbones pixels --encoders classtoken --set classtoken.steps=20 --no-controls"
)


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BRAINBENCH_CACHE", str(tmp_path / "cache"))
    write_experiment(tmp_path / "mine")

    def go(line: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as end:
            main(shlex.split(line))
        assert isinstance(end.value.code, int)
        return (end.value.code, *capsys.readouterr())

    return go


def fitted(folder: Path) -> Path:
    return next(path for path in folder.glob("*.json") if json.loads(path.read_text())["encoder"])


def test_verify_ends_with_0_then_names_a_changed_digit_and_ends_with_1(shell: Shell, tmp_path: Path) -> None:
    shell(RUN)
    assert shell("leaderboard --verify --data mine") == (
        0,
        "1 x layers: not recomputed (needs tokens)\n1 records verified, 1 without predictions (digest only), 0 problems\n",
        "",
    )
    path = fitted(tmp_path / "results")
    record = json.loads(path.read_text())
    record["metrics"]["r2"]["values"]["all"] += 0.01
    path.write_text(json.dumps(record))
    code, out, err = shell("leaderboard results --verify --data mine")
    where = f"{path.stem[:16]} pixels x classtoken, subject 1, seed 0: "
    digest, figure, csv, document, md, tex, _, summary = out.splitlines()
    assert (code, err) == (1, "")
    assert digest.startswith(f"{where}digest: stored ")
    assert figure.startswith(
        f"{where}metrics.r2.values.all: stored {record['metrics']['r2']['values']['all']}, recomputed "
    )
    for ending, line in {"csv": csv, "json": document, "md": md, "tex": tex}.items():
        assert line.startswith(f"leaderboards/folder.{ending}: is not what the records make; ")
    assert summary == "0 records verified, 1 without predictions (digest only), 6 problems"


@pytest.mark.slow
def test_draws_that_were_changed_are_found_and_rounding_is_not(shell: Shell, tmp_path: Path) -> None:
    write_experiment(tmp_path / "many", images=150)
    shell(RUN.replace("mine", "many"))
    path = fitted(tmp_path / "results")
    record = json.loads(path.read_text())
    draws = unpacked(record["metrics"]["r2"]["draws"]["all"])
    for factor, problem in ((1 + 2**-11, False), (1.02, True)):
        record["metrics"]["r2"]["draws"]["all"] = packed(draws * factor)
        path.write_text(json.dumps(record))
        _, out, _ = shell("leaderboard results --verify --data many")
        assert ("metrics.r2.draws.all[" in out) is problem


def test_bad_usage_of_verify_is_one_line_and_2(shell: Shell) -> None:
    shell(RUN)
    told = {
        "leaderboard --verify": "the records of folder again and needs --data PATH: the folder that contains it",
        "leaderboard --verify --data nowhere": "no folder nowhere",
        "leaderboard --data mine": "did you mean --verify --data?",
        "leaderboard nothing --verify": "nothing: no records; make some with `brainbench run --results nothing`",
    }
    for line, message in told.items():
        code, out, err = shell(line)
        assert (code, out, err.count("\n")) == (2, "", 1), line
        assert message in err


def test_records_of_scores_alone_need_no_data(shell: Shell) -> None:
    shell(RUN + " --keep scores")
    code, out, _ = shell("leaderboard --verify")
    assert (code, out.splitlines()[-1]) == (0, "0 records verified, 2 without predictions (digest only), 0 problems")


def test_cite_prints_text_or_bibtex(shell: Shell, tmp_path: Path) -> None:
    shell(RUN + " --keep scores")
    code, out, err = shell("cite")
    assert (code, err) == (0, "")
    assert "  classtoken, confidence, hierarchy, r2: Huzheng Yang and James Gee and Jianbo Shi (2024). Brain Dec" in out
    path = fitted(tmp_path / "results")
    content = json.loads(path.read_text().replace('"classtoken"', '"elsewhere"'))
    del content["digest"]
    path.write_text(json.dumps(content | {"digest": digest(content)}))
    code, out, err = shell("cite results --bibtex")
    assert out.startswith("@software{brainbench,\n")
    assert "@misc{yang2024brain,\n" in out
    assert (code, err.count("\n")) == (0, 1)
    assert err.startswith("not installed here: elsewhere (brainbench ")
    assert shell("cite nowhere") == (
        2,
        "",
        "brainbench: nowhere: no records; make some with `brainbench run --results nowhere`\n",
    )
