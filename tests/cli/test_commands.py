"""The commands as a shell sees them: exit code, standard output, standard error, files. Run in process."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from experiment import write_experiment

from brainbench.cli import main

QUICK = "run --dataset folder --data {data} --backbones pixels --encoders classtoken --set classtoken.steps=20 --no-controls"


class Ended(NamedTuple):
    code: int
    out: str
    err: str


Shell = Callable[[str], Ended]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_experiment(tmp_path_factory.mktemp("data") / "mine")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, empty; the cache is elsewhere."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("BRAINBENCH_CACHE", str(tmp_path / "cache"))
    return folder


@pytest.fixture
def shell(here: Path, data: Path, capsys: pytest.CaptureFixture[str]) -> Shell:
    def go(line: str) -> Ended:
        with pytest.raises(SystemExit) as end:
            main(shlex.split(line.format(data=data)))
        assert isinstance(end.value.code, int)
        return Ended(end.value.code, *capsys.readouterr())

    return go


def files(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.mark.parametrize("line", ["", "--help", "-h", "run --help", "list --help", "cache clear --help"])
def test_help_is_help(shell: Shell, line: str) -> None:
    ended = shell(line)
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith("Usage: ")


def test_the_version_is_told(shell: Shell) -> None:
    from brainbench import __version__

    assert shell("--version").out == f"brainbench, version {__version__}\n"


WROTE = [f"wrote leaderboards/folder.{ending}" for ending in ("csv", "json", "md", "tex")]


def test_a_run_ends_with_0_and_writes_records_and_boards(shell: Shell, here: Path) -> None:
    ended = shell(QUICK)
    assert ended.code == 0
    assert "All rows:       leaderboards/folder.md" in ended.out
    *_, first, second, csv, document, md, tex = ended.err.splitlines()
    assert first.startswith("[1/2] pixels x tokens only, subject 1, seed 0: ")
    assert second.startswith("[2/2] pixels x classtoken, subject 1, seed 0: R2 ")
    assert [csv, document, md, tex] == WROTE
    assert len(list((here / "results").glob("*.json"))) == 2
    assert "| pixels " in (here / "leaderboards/folder.md").read_text()


def test_json_is_all_there_is_on_standard_output(shell: Shell, here: Path) -> None:
    ended = shell(QUICK + " --json --metrics r2 --results r --leaderboards l --keep scores")
    (record,) = json.loads(ended.out)
    assert (ended.code, record["status"], record["encoder"]["name"]) == (0, "done", "classtoken")
    assert json.loads((here / f"r/{record['key']}.json").read_text()) == record
    assert {path.name for path in here.iterdir()} == {"r", "l"}
    assert [path.suffix for path in (here / "r").glob("[!.]*")] == [".json"]


@pytest.mark.slow
def test_fresh_does_again_what_is_there(shell: Shell) -> None:
    shell(QUICK + " --metrics r2")
    assert "already done" in shell(QUICK + " --metrics r2").err
    assert "already done" not in shell(QUICK + " --metrics r2 --fresh").err


def test_failed_jobs_are_named_and_end_with_1(shell: Shell, here: Path) -> None:
    ended = shell(QUICK.replace("--encoders", "--set classtoken.lr=1e30 --encoders") + " --json")
    assert ended.code == 1
    tokens, fit = json.loads(ended.out)
    assert (tokens["status"], fit["status"]) == ("done", "failed")
    (line,) = [line for line in ended.err.splitlines() if "FAILED" in line]
    assert line.startswith("[2/2] pixels x classtoken, subject 1, seed 0: FAILED: brainbench")
    assert fit["failure"]["message"] in line
    assert "failed at fit" in (here / "leaderboards/folder.md").read_text()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("rum", "no command 'rum' (did you mean 'run'?); there are: cache, "),
        ("run --backbone pixels", "--backbone"),
        ("--jsn", "--jsn"),
        ("run --seeds many", "'many' is not a valid integer"),
        ("run --seeds", "'--seeds' requires an argument"),
        ("run extra", "unexpected extra argument (extra)"),
        ("run --keep most", "'most' is not one of 'all', 'scores'"),
        ("list networks", "'networks' is not one of 'backbones'"),
        ("cache cler", "No such command 'cler'"),
        (QUICK + " --backbones pixel", "unknown backbone 'pixel' (did you mean 'pixels'?)"),
        (QUICK + " --backbones 'pix/*'", "no backbone matches 'pix/*'; `brainbench list backbones` shows them all"),
        (QUICK + " --backbones ,", "no backbones selected"),
        (QUICK + " --backbones pixels@untrained", "pixels has no trained weights"),
        (QUICK + " --encoders classtokn", "unknown encoder 'classtokn' (did you mean 'classtoken'?)"),
        (QUICK + " --metrics r", "unknown metric 'r'"),
        (QUICK + " --dataset foldr", "unknown dataset 'foldr' (did you mean 'folder'?)"),
        (QUICK + " --seeds 0", "--seeds 0: must be at least 1"),
        (QUICK + " --subjects 9", "--subjects 9: no such subject; there are: 1"),
        (QUICK + " --subjects ,", "no subjects selected"),
        (QUICK + " --device tpu", "--device tpu: allowed are auto, cpu, cuda"),
        (QUICK + " --set steps=3", "--set steps=3: expected NAME.key=value"),
        (QUICK + " --set classtoken.steps", "--set classtoken.steps: expected NAME.key=value"),
        (QUICK + " --set classtoken.step=3", "no setting 'step' (did you mean 'steps'?)"),
        (QUICK + " --set classtoken.steps=few", "classtoken.steps=few: expected int"),
        (QUICK + " --set classtoken.recipe=best", "classtoken.recipe=best: allowed are fast, paper"),
        (QUICK + " --set nothing.steps=3", "unknown name 'nothing'"),
        (QUICK + " --set random.batch=3", "this run selects nothing of this name"),
        (QUICK + " --weights pixels=nowhere.pt", "pixels has no weights to load"),
        (QUICK + " --weights release", "--weights release: expected 'untrained' or NAME=FILE"),
        (QUICK + " --data nowhere", "no folder nowhere: --data names a folder that holds images/"),
        ("run --dataset folder", "--dataset folder needs --data PATH"),
        ("run --data {data}", "the dataset demo takes none; did you mean --dataset folder?"),
    ],
)  # fmt: skip
def test_bad_usage_is_one_line_and_2(shell: Shell, here: Path, line: str, message: str) -> None:
    ended = shell(line)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("brainbench")
    assert ended.err.count("\n") == 1
    assert message in ended.err
    assert files(here) == {}


def test_a_results_folder_that_cannot_be_is_2_before_any_job(shell: Shell, here: Path) -> None:
    (here / "results").write_text("mine")
    ended = shell(QUICK)
    assert ended.code == 2
    assert "brainbench: cannot write results: a file has the name of the folder that is needed" in ended.err
    assert "[1/" not in ended.err
    assert files(here) == {"results": b"mine"}


def test_ctrl_c_is_130(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("brainbench.runner.benchmark.Benchmark.open", interrupted)
    ended = shell(QUICK)
    assert ended.code == 130
    assert ended.err.strip().startswith("brainbench: interrupted; finished jobs are kept")
    assert ended.err.strip().count("\n") == 0


def test_a_bug_keeps_its_traceback(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def bug(*_: object, **__: object) -> None:
        raise AssertionError("a bug")

    monkeypatch.setattr("brainbench.runner.benchmark.Benchmark.open", bug)
    with pytest.raises(AssertionError, match="a bug"):
        main(["run"])


def test_a_dry_run_tells_and_writes_nothing(shell: Shell, here: Path) -> None:
    ended = shell(QUICK + " --dry-run --seeds 2")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith("3 jobs on folder\n  pixels: control, weights none\n")
    assert "  pixels x classtoken, subject 1, seed 1: memory " in ended.out
    assert ended.out.splitlines()[-1].startswith("disk: features ")
    assert files(here) == {}
    rows = json.loads(shell(QUICK + " --dry-run --json").out)
    assert [row["encoder"] for row in rows] == [None, "classtoken"]
    assert files(here) == {}


def test_the_keys_of_a_dry_run_are_the_records(shell: Shell, here: Path) -> None:
    rows = json.loads(shell(QUICK + " --dry-run --json").out)
    shell(QUICK)
    assert {row["key"] for row in rows} == {path.stem for path in (here / "results").glob("*.json")}


def test_list_json_has_every_fact(shell: Shell) -> None:
    rows = json.loads(shell("list --json").out)
    for row in rows:
        assert {"name", "family", "plugin", "version", "default", "mini", "settings"} <= row.keys()
        assert row["family"] == row["name"].split("/")[0]
        assert all({"name", "type", "default"} <= setting.keys() for setting in row["settings"])
    names = {kind: {row["name"] for row in rows if row["kind"] == kind} for kind in {row["kind"] for row in rows}}
    assert names.keys() == {"backbone", "encoder", "metric", "dataset", "engine"}
    assert {"pixels", "random"} <= names["backbone"]
    assert {"factortopy", "classtoken"} <= names["encoder"]
    assert {"r2", "hierarchy", "confidence"} <= names["metric"]
    assert {"demo", "folder"} <= names["dataset"]
    some = json.loads(shell("list encoders --json").out)
    assert {row["name"] for row in some} == names["encoder"]


def test_list_of_a_name_shows_every_fact(shell: Shell) -> None:
    title, *lines = shell("list backbones pixels").out.splitlines()
    facts = dict(line.split(None, 1) for line in lines)
    assert title.strip() == "pixels"
    assert facts["weights"] == "none"
    assert "dtype=float16" in facts["settings"]
    ended = shell("list backbones nothing")
    assert ended.code == 2
    assert "unknown backbone 'nothing'" in ended.err
    named = json.loads(shell("list encoders classtoken --json").out)
    assert [row["name"] for row in named] == ["classtoken"]


def test_list_shows_what_run_takes(shell: Shell) -> None:
    ended = shell("list encoders")
    header, *rows = [line.split("\t") for line in ended.out.splitlines()]
    assert header == ["name", "from", "flags", "settings", "summary"]
    row = next(row for row in rows if row[0] == "classtoken")
    assert row[1] == "brainbench"
    assert {"recipe=fast", "steps"} <= set(row[3].split())
    titles = [line for line in shell("list").out.splitlines() if "\t" not in line and line]
    common = "and for every backbone: preproc=paper tap=block precision=auto dtype=float16 batch=0 init_seed=0"
    assert titles == ["backbones", common, "encoders", "metrics", "datasets", "engines"]


def test_plugins_tells_what_each_brings(shell: Shell) -> None:
    rows = json.loads(shell("plugins --json").out)
    assert rows[0]["distribution"] == "brainbench"
    assert rows[0]["error"] is None
    assert "pixels" in rows[0]["brings"]["backbones"]
    first = shell("plugins").out.splitlines()[1].split("\t")
    assert first[0] == "brainbench"
    assert first[-1] == "loaded"


def test_leaderboard_builds_the_same_bytes_again(shell: Shell, here: Path) -> None:
    shell(QUICK)
    boards = files(here / "leaderboards")
    (here / "leaderboards/folder.md").unlink()
    (here / "leaderboards/folder.csv").write_text("damaged")
    ended = shell("leaderboard")
    assert (ended.code, ended.out) == (0, "\n".join(WROTE) + "\n")
    assert files(here / "leaderboards") == boards
    (here / "results").rename(here / "moved")
    assert shell("leaderboard moved --leaderboards again --dataset folder").code == 0
    assert files(here / "again") == boards


def test_published_tables_stand_below_a_board_and_outside_its_ranks(shell: Shell, here: Path) -> None:
    from brainbench.leaderboard import published as paper

    shell(QUICK)
    boards = files(here / "leaderboards")
    ended = shell("leaderboard --beside paper")
    assert (ended.code, ended.out) == (0, "\n".join(WROTE) + "\n")
    beside = files(here / "leaderboards")
    assert beside["folder.csv"] == boards["folder.csv"]
    assert beside["folder.md"].decode() == boards["folder.md"].decode() + "\n" + paper.section("folder")
    assert paper.OTHER_DATA in beside["folder.md"].decode()
    shell("leaderboard")
    assert files(here / "leaderboards") == boards


def test_only_the_paper_can_stand_beside_a_board(shell: Shell, here: Path) -> None:
    shell(QUICK)
    ended = shell("leaderboard --beside brainscore")
    assert ended.code == 2
    assert "--beside" in ended.err
    assert "'paper'" in ended.err


@pytest.mark.parametrize("line", ["leaderboard nowhere", "leaderboard nowhere --dataset demo"])
def test_leaderboard_without_records_says_how_to_make_some(shell: Shell, here: Path, line: str) -> None:
    ended = shell(line)
    assert (ended.code, ended.out) == (2, "")
    what = "no records of demo" if "demo" in line else "no records"
    assert ended.err == f"brainbench: nowhere: {what}; make some with `brainbench run --results nowhere`\n"
    assert not list(here.rglob("*.md"))


def test_a_damaged_record_is_named_by_leaderboard_and_left_out(
    shell: Shell, here: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shell(QUICK)
    record = next((here / "results").glob("*.json"))
    record.write_text("{")
    ended = shell("leaderboard")
    assert ended.code == 0
    (said,) = caplog.messages
    assert f"results/{record.name}: not a readable record" in said


def headings(path: Path) -> list[str]:
    return [name for name in path.read_text().splitlines()[0].split(",") if not name.endswith(" sd")][10:]


@pytest.mark.slow
def test_leaderboard_shows_the_metrics_asked_for(shell: Shell, here: Path) -> None:
    shell(QUICK.replace("--no-controls", "--seeds 2"))
    boards = files(here / "leaderboards")
    assert shell("leaderboard --metrics r2,rssd,cons* --leaderboards some").code == 0
    assert headings(here / "some/folder.csv") == ["R2", "seed r", "seed agreement", "RSSD", "cells"]
    again = files(here / "some")
    assert shell("leaderboard --metrics 'r2, rssd,cons*' --leaderboards some").code == 0
    assert files(here / "some") == again
    ended = shell("leaderboard --metrics cost --leaderboards costs")
    assert ended.out == "wrote costs/folder.cost.csv\nwrote costs/folder.cost.md\n"
    assert shell("leaderboard --metrics layers --leaderboards layers").code == 0
    assert headings(here / "layers/folder.csv") == ["neighbour r", "neighbour CKA", "cells"]
    assert shell("leaderboard").code == 0
    assert files(here / "leaderboards") == boards


def test_leaderboard_with_a_metric_that_there_is_not_ends_with_2(shell: Shell, here: Path) -> None:
    shell(QUICK + " --metrics r2")
    ended = shell("leaderboard --metrics r2,rsd --leaderboards other")
    assert (ended.code, ended.out) == (2, "")
    assert ended.err == (
        "brainbench: --metrics rsd: the records hold no such metric (did you mean 'rssd'?); they hold: r2; "
        "computed from them: consistency, cost, rssd\n"
    )
    assert not (here / "other").exists()


def test_a_run_hands_metrics_over_records_to_its_board(shell: Shell, here: Path) -> None:
    ended = shell(QUICK + " --metrics r2,rssd,cost --json")
    (record,) = json.loads(ended.out)
    assert (ended.code, list(record["metrics"])) == (0, ["r2"])
    assert headings(here / "leaderboards/folder.csv") == ["R2", "RSSD", "cells"]
    assert headings(here / "leaderboards/folder.cost.csv")[-1] == "cells"
    ended = shell(QUICK + " --metrics rssd")
    assert ended.code == 2
    assert "--metrics rssd: computed from the records of other metrics; name those too" in ended.err


@pytest.mark.slow
def test_cache_tells_what_lies_there_and_why(shell: Shell, here: Path) -> None:
    assert shell("cache --json").out == "[]\n"
    shell(QUICK)
    (entry,) = json.loads(shell("cache --json").out)
    assert (entry["backbone"], entry["stimuli"]) == ("pixels", 30)
    assert entry["last lookup"] == "nothing stored yet for pixels"
    assert entry["mb"] > 0
    shell(QUICK + " --fresh")
    again = "computed again: a fresh run was asked for"
    assert json.loads(shell("cache --json").out)[0]["last lookup"] == again
    shell(QUICK + " --set pixels.dtype=float32")
    entries = json.loads(shell("cache --json").out)
    assert {e["last lookup"] for e in entries} == {again, "changed: backbone.settings.dtype"}
    table = shell("cache").out.splitlines()
    assert f": 2 sets of features, {sum(e['mb'] for e in entries):.1f} MB; datasets' own files" in table[0]
    assert len(table) == 4


@pytest.mark.slow
def test_cache_clear_deletes_what_is_named(shell: Shell, here: Path, tmp_path: Path) -> None:
    shell(QUICK.replace("pixels", "pixels,random"))
    assert shell("cache clear 'pix*'").out.startswith("deleted 1 sets of features, ")
    assert [entry["backbone"] for entry in json.loads(shell("cache --json").out)] == ["random"]
    assert shell("cache clear").out.startswith("deleted 1 sets of features, ")
    assert not list((tmp_path / "cache/features").glob("[!.]*"))
    assert shell("cache clear").out == "deleted 0 sets of features, 0.0 MB\n"
    # The records stand, and what they need is computed again.
    assert shell(QUICK.replace("pixels", "pixels,random") + " --fresh").code == 0


def test_a_typo_does_not_wait_for_the_demo_to_be_made(shell: Shell, here: Path) -> None:
    ended = shell("run --backbones pixls")
    assert ended.code == 2
    assert "did you mean 'pixels'" in ended.err
    assert not list(here.rglob("demo-*"))


def test_dropped_voxels_are_told_at_once_and_stand_in_record_and_board(
    shell: Shell, here: Path, tmp_path: Path
) -> None:
    folder = write_experiment(tmp_path / "spoilt")
    values = np.load(folder / "responses.npy")
    values[3, 1], values[:, 4] = np.nan, 2
    np.save(folder / "responses.npy", values)
    ended = shell(QUICK.replace("{data}", str(folder)) + " --json")
    told = "dropped 2 of 5 voxels: 1 with NaN or infinite values, 1 constant over train"
    assert ended.code == 0
    assert ended.err.count(f"subject 1: {told}") == 1
    fitted = next(record for record in json.loads(ended.out) if record["encoder"])
    assert fitted["dataset"]["dropped_voxels"] == [1, 4]
    assert told in fitted["notes"]
    assert told in (here / "leaderboards/folder.md").read_text()


def test_a_locale_without_the_letters_of_a_name(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> None:
        "V\u00c9".encode("ascii")

    monkeypatch.setattr("sys.getfilesystemencoding", lambda: "ascii")
    monkeypatch.setattr("brainbench.registry.installed", refused)
    ended = shell("list")
    assert ended.code == 2
    assert r"this locale cannot write '\xc9' in the name of a file: set LC_ALL=C.UTF-8 or PYTHONUTF8=1" in ended.err
