"""The example of docs/data is what its two commands print, but for what depends on the machine and on what is installed."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from brainbench.cli import main

PAGE = (Path(__file__).parents[2] / "docs/data/README.md").read_text()
COMMANDS = re.search(r"^`brainbench (data make [^`]+)`, then `brainbench (data check [^`]+)`:$", PAGE, flags=re.M)
# Digests of floating-point numbers, and what a run of all that is installed would take here.
ELSEWHERE = ("title", "disk", "free", "memory")


def test_the_example_is_what_is_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert COMMANDS is not None
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BRAINBENCH_CACHE", str(tmp_path / "cache"))
    for command in COMMANDS.groups():
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(shlex.split(command))
        assert not ended.value.code
    printed = [line.split("\t") for line in _sizeless(capsys.readouterr().out).splitlines()]
    block = PAGE[COMMANDS.end() :].split("\nRead it from the top")[0].strip("\n")
    written = [re.split(r"  +", line.removeprefix("    "), maxsplit=1) for line in _sizeless(block).splitlines()]
    assert [row[0] for row in written] == [row[0] for row in printed]
    for shown, found in zip(written, printed, strict=True):
        assert shown == found or shown[0] in ELSEWHERE


def _sizeless(text: str) -> str:
    """Without the sizes of files: another Pillow packs images another way."""
    return re.sub(r"[\d.,]+ (bytes|kB|MB|GB)", "a size", text)
