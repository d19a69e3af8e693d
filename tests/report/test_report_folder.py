from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from fits import failed, fit, tokens
from painted import painted

from brainbench import StoreError, UsageError
from brainbench.cli import main
from brainbench.report import write_report
from brainbench.results.store import write_record


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Two records of which only scores are kept."""
    folder = tmp_path / "results"
    folder.mkdir()
    for record in (fit("a", 0.5), fit("b", 0.4)):
        write_record(folder, record)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.mark.slow
def test_the_same_records_give_the_same_bytes_in_any_folder(tmp_path: Path) -> None:
    results = tmp_path / "results"
    for subject in ("1", "2"):
        painted(results, "net/a", subject=subject)
    first = contents(write_report(results, tmp_path / "one").parent)
    again = contents(write_report(results, tmp_path / "two").parent)
    assert first == again
    assert {"index.html", "compare.html", "assets/mesh.js", "assets/report.css", "report.json"} <= first.keys()
    assert set(json.loads(first["report.json"])["files"]) == first.keys() - {"report.json"}
    assert not any(str(tmp_path).encode() in content for content in first.values())


def test_a_later_report_replaces_an_earlier_one_and_nothing_else(results: Path, tmp_path: Path) -> None:
    out = tmp_path / "report"
    write_report(results, out)
    pages = {p.name for p in (out / "rows").iterdir()}
    (out / "notes.txt").write_text("mine")
    next(results.glob("*.json")).unlink()
    write_report(results, out)
    assert {p.name for p in (out / "rows").iterdir()} < pages
    assert (out / "notes.txt").read_text() == "mine"


def test_a_folder_with_something_else_is_refused(results: Path, tmp_path: Path) -> None:
    out = tmp_path / "home"
    out.mkdir()
    (out / "thesis.tex").write_text("x")
    with pytest.raises(
        UsageError, match=r"home: contains files that are not a report; choose a new or an empty folder"
    ):
        write_report(results, out)
    assert [p.name for p in out.iterdir()] == ["thesis.tex"]
    with pytest.raises(UsageError, match="contains files that are not a report"):
        write_report(results, out / "thesis.tex")


@pytest.mark.parametrize("text", ["{}", "not json", '{"files": 3}', '{"files": [3]}'])
def test_a_damaged_list_is_one_line(results: Path, tmp_path: Path, text: str) -> None:
    (tmp_path / "report").mkdir()
    (tmp_path / "report/report.json").write_text(text)
    with pytest.raises(UsageError, match=r"report.json: does not list the files of a report"):
        write_report(results, tmp_path / "report")


@pytest.mark.parametrize("name", ["../results/x", "/etc/passwd"])
def test_nothing_outside_the_folder_is_removed(results: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / "report").mkdir()
    (tmp_path / "report/report.json").write_text(json.dumps({"files": [name]}))
    with pytest.raises(UsageError, match="lists files outside the report"):
        write_report(results, tmp_path / "report")


def test_a_disk_that_refuses_is_one_line(results: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(
        StoreError, match=r"cannot write .*report \(Not a directory\): choose another folder with --out"
    ):
        write_report(results, tmp_path / "file" / "report")


def test_without_records_and_with_a_damaged_one(results: Path, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"none: no records; make some with `brainbench run --results .*none`"):
        write_report(tmp_path / "none", tmp_path / "out")
    with pytest.raises(StoreError, match=r"results: no records of moon"):
        write_report(results, tmp_path / "out", "moon")
    for path in results.glob("*.json"):
        path.write_text("{")
    with pytest.raises(StoreError, match="no records"):
        write_report(results, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_command(results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["report", str(results), "--out", str(tmp_path / "out")])
    assert not end.value.code
    assert capsys.readouterr().out == f"wrote {tmp_path / 'out/index.html'}\n"
    with pytest.raises(SystemExit) as end:
        main(["report", str(tmp_path / "nothing"), "--out", str(tmp_path / "out")])
    assert end.value.code == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_several_datasets_share_an_index(results: Path, tmp_path: Path) -> None:
    other = fit("a", 0.5)
    other = replace(other, key="0" * 64, dataset=replace(other.dataset, name="moon", title="moon"))
    for record in (other, tokens("c"), failed("d")):
        write_record(results, record)
    index = write_report(results, tmp_path / "out").read_text()
    assert index.count('id="filter-') == 2
    assert 'href="#moon-version-1"' in index
    one = write_report(results, tmp_path / "one", "moon").read_text()
    assert one.count('id="filter-') == 1
