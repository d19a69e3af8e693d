"""Every fenced block of README and docs runs, on tiny data with tiny fits, page by page and in order; the rest is checked by name.

All pages start from the same folder: ``myexperiment/``, and ``results/`` and ``leaderboards/`` of a tiny demo run.
"""

from __future__ import annotations

import ast
import re
import shlex
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
from blocks import ROOT, Block, blocks, pages
from experiment import write_experiment

from brainbench.cli import cli, main
from brainbench.planning.request import Request

ALL = [block for page in pages() for block in blocks(page)]
DEMO = "brainbench run --backbones clip/mini,pixels --encoders factortopy,classtoken --no-controls"
# What makes a run tiny: put behind whatever a block asks for.
STEPS = "*.steps=3"
SIZES = {"demo": ("demo.images=100",), "planted": ("planted.images=100", "planted.voxels=150")}
SUBJECTS = {"demo": "1,2", "folder": "1"}


def tiny(**asked: Any) -> Request:
    """What a block asks for, at the smallest size."""
    request = Request(**asked)
    settings = (*request.settings, *SIZES.get(request.dataset, ()), STEPS)
    return replace(request, settings=settings, subjects=request.subjects or SUBJECTS.get(request.dataset))


@pytest.fixture(scope="module", autouse=True)
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder for this module's cache, where every run is tiny."""
    folder = tmp_path_factory.mktemp("blocks")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BRAINBENCH_CACHE", str(folder / "cache"))
        # That of the module it is from comes last: the others import it when they are first looked at.
        for module in ("api.run", "commands.data_check", "planning.request"):
            patch.setattr(f"brainbench.{module}.Request", tiny)
        yield folder


@pytest.fixture(scope="module")
def start(place: Path) -> Path:
    """What every page starts from."""
    folder = place / "start"
    experiment = write_experiment(folder / "myexperiment", voxels=12)
    np.save(experiment / "coordinates.npy", np.random.default_rng(1).normal(size=(12, 3)))
    rois = [f"{voxel},{'V1' if voxel < 6 else 'EBA'}" for voxel in range(12)]
    (experiment / "rois.csv").write_text("\n".join(["voxel,roi", *rois]) + "\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        brainbench(shlex.split(DEMO))
    return folder


def brainbench(words: list[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(words[1:])
    assert not end.value.code, f"{shlex.join(words)}: exit {end.value.code}"


def shell(words: list[str], _: dict[str, object]) -> None:
    assert words[0] in ("brainbench", "python"), f"{words[0]}: say why it is not run, in a comment before the block"
    if words[0] == "brainbench":
        brainbench(words)
    else:
        exec(compile((ROOT / words[1]).read_text(), words[1], "exec"), {"__name__": "__main__"})


@pytest.mark.slow
@pytest.mark.parametrize(
    "page", [p for p in pages() if any(b.run for b in blocks(p))], ids=lambda p: str(p.relative_to(ROOT))
)
def test_the_blocks_of_a_page_run(page: Path, start: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(start, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": "page"}
    for block in blocks(page):
        if not block.run:
            continue
        if block.language == "python":
            exec(compile(block.text, str(block), "exec"), names)
        elif block.language == "sh":
            for words in block.commands:
                shell(words, names)


def test_every_block_says_what_it_is() -> None:
    for block in ALL:
        assert block.language in ("sh", "python", "toml", "text", "csv", "json"), f"{block}: name its language"
        assert block.run or len(block.mark) > len("not run: "), f"{block}: say why it is not run"
        assert block.language in ("sh", "python") or "brainbench " not in block.text.split("\n")[0], f"{block}: sh"


def test_what_is_said_about_a_block_is_on_the_line_before_it() -> None:
    assert not [
        page for page in pages() if re.search(r"^<!-- (?:not run|pictures).*-->\n+\n```", page.read_text(), re.M)
    ]


def test_commands_stand_in_fenced_blocks() -> None:
    for page in pages():
        outside = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.M | re.S)
        assert not re.findall(r"^ {4}(?:brainbench|pip|make) .*$", outside, flags=re.M), page


@pytest.mark.parametrize("block", [b for b in ALL if b.language == "python" and not b.run], ids=str)
def test_python_that_is_not_run_is_python(block: Block) -> None:
    ast.parse(block.text)


def written() -> Iterator[tuple[str, list[str]]]:
    """(where, words) of every command: of shell blocks, and between backticks."""
    for block in ALL:
        if block.language == "sh":
            yield from ((str(block), words) for words in block.commands)
    for page in [*pages(), ROOT / "CONTRIBUTING.md"]:
        for text in re.findall(r"(?:`|^ {4})((?:brainbench|make|python) [^`\n]+)", page.read_text(), flags=re.M):
            yield page.name, shlex.split(text.replace("|", " "), comments=True)


def check_brainbench(words: list[str]) -> None:
    command: click.Command = cli
    context = click.Context(cli)
    rest = words[1:]
    while isinstance(command, click.Group) and rest and not rest[0].startswith("-") and not rest[0].isupper():
        assert rest[0] in command.commands, f"no command {rest[0]}"
        command, *rest = command.commands[rest[0]], *rest[1:]
    options = {name for parameter in command.get_params(context) for name in parameter.opts}
    asked = {word.partition("=")[0] for word in rest if re.match(r"--[a-z]", word)}
    assert asked <= options, f"no option {', '.join(sorted(asked - options))}"


def check_make(words: list[str]) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.M))
    assert set(words[1:]) <= targets, f"no target {set(words[1:]) - targets}"


def check_python(words: list[str]) -> None:
    if words[1] == "-m":
        return
    source = (ROOT / words[1]).read_text()
    asked = {word for word in words[2:] if word.startswith("--")}
    # Either spelled as an argument of the parser or, if those are made in a loop, in the docstring.
    assert all(re.search(rf"{option}\b", source) for option in asked), f"{words[1]} lacks one of {asked}"


CHECKS: dict[str, Callable[[list[str]], None]] = {
    "brainbench": check_brainbench,
    "make": check_make,
    "python": check_python,
}


def test_every_command_and_option_that_is_written_exists() -> None:
    found = list(written())
    assert len(found) > 40
    for where, words in found:
        if words[0] in CHECKS:
            try:
                CHECKS[words[0]](words)
            except (AssertionError, OSError) as error:
                raise AssertionError(f"{where}: {shlex.join(words)}: {error}") from None
