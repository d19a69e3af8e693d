"""The docs check: what is written agrees with what is there. Nothing is fitted here."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```([a-z]*)\n(.*?)^```$", README, flags=re.M | re.S)


@pytest.mark.parametrize(("number", "ending"), [(1, "&& brainbench run --backbones all"), (2, "&& pytest")])
def test_the_first_two_blocks_do_all_the_set_up(number: int, ending: str) -> None:
    line = subprocess.run(
        [sys.executable, ".ci/readme_line.py", str(number)], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.strip()
    assert line == BLOCKS[number - 1][1].strip()
    assert line.startswith("pip install ")
    assert line.endswith(ending)


def test_the_ci_runs_the_second_line_in_a_new_environment() -> None:
    script = (ROOT / ".ci/run").read_text()
    assert "-m venv" in script
    assert ".ci/readme_line.py 2" in script


def test_the_plugin_of_the_readme_is_25_lines_of_python() -> None:
    plugin = next(code for language, code in BLOCKS if language == "python" and "hookimpl" in code)
    ast.parse(plugin)
    assert len(plugin.strip().splitlines()) <= 25


def _declared() -> set[str]:
    found = set()
    for path in [ROOT / "pyproject.toml", *ROOT.glob("plugins/*/pyproject.toml")]:
        project = tomllib.loads(path.read_text())["project"]
        several = [project["dependencies"], *project.get("optional-dependencies", {}).values()]
        found |= {re.split(r"[\[<>=~! ]", text)[0] for texts in several for text in texts}
    return {name for name in found if not name.startswith("brainbench")}


def test_every_dependency_has_its_line() -> None:
    page = (ROOT / "docs/decisions/001-dependencies.md").read_text()
    written = {
        name
        for line in page.splitlines()
        if line.startswith("- ")
        for name in re.findall(r"`([\w-]+)`", line.split(":")[0])
    }
    assert written == _declared()


@pytest.mark.slow
def test_the_committed_board_is_what_its_records_make() -> None:
    from brainbench.leaderboard.render import render
    from brainbench.results.store import read_records

    records = read_records(ROOT / "leaderboards/records")
    assert records
    assert all(record.status == "done" for record in records)
    for name, text in render(records).items():
        assert (ROOT / "leaderboards" / name).read_text() == text, f"{name}: run `make board`"


def test_the_committed_records_tell_nothing_of_the_machine() -> None:
    for path in (ROOT / "leaderboards/records").glob("*.json"):
        assert not re.search(r"/(home|root|tmp|Users|work)/", path.read_text()), path.name


def prose(text: str) -> list[str]:
    """The lines of a page that can be wrapped: without code, tables, equations, comments and the targets of links."""
    text = re.sub(r"^ *```.*?^ *```$|<!--.*?-->|^\$\$.*?\$\$$", "", text, flags=re.M | re.S)
    lines = [re.sub(r"\]\([^)]*\)|https?://\S+", "]", line) for line in text.splitlines()]
    return [line for line in lines if not line.startswith(("|", "    ", "#"))]


PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted(ROOT.glob("plugins/*/README.md")),
]


def test_prose_is_wrapped_at_100_columns() -> None:
    long = [
        f"{page.relative_to(ROOT)}: {line}" for page in PAGES for line in prose(page.read_text()) if len(line) > 100
    ]
    assert not long


def test_code_and_tables_may_be_longer_and_prose_may_not() -> None:
    wide = "word " * 30
    kept = f"one\n```sh\n{wide}\n```\n| {wide} |\n$$ {wide} $$\n<!-- {wide} -->\n# {wide}\n    {wide}\n[two]({wide.replace(' ', '')})"
    assert [len(line) for line in prose(kept) if line] == [3, 5]
    assert len(max(prose(f"{kept}\n- {wide}"), key=len)) > 100


def test_every_command_of_an_indented_block_has_a_line_of_its_own() -> None:
    # Whatever wraps prose may take a block that is only indented for a paragraph.
    joined = re.compile(
        r"^ {4}(?:.*[^#] brainbench (?:run|data|leaderboard|cite|check|weights)\b|make .* make ).*$", flags=re.M
    )
    assert not [found for page in PAGES for found in joined.findall(page.read_text())]
