"""The fenced blocks of README and docs: what tests run and what makes the pictures.

A comment on the line before a block says what is special about it:

    <!-- not run: REASON -->   it needs a network, hours or an installation; only its names are checked
    <!-- pictures -->          ``make pictures`` runs it, to make the pictures that the page shows
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
_FENCE = re.compile(r"^(?:<!-- ([^\n]*?) -->\n)?```(\w*)\n(.*?)^```$", re.M | re.S)


@dataclass(frozen=True)
class Block:
    """One fenced block. line: of its first fence; language: as the fence names it; mark: the comment before it, or nothing."""

    page: Path
    line: int
    language: str
    text: str
    mark: str

    @property
    def run(self) -> bool:
        """Whether tests run it."""
        return not self.mark.startswith("not run: ")

    @property
    def commands(self) -> list[list[str]]:
        """The words of each command of a shell block."""
        lines = self.text.replace("\\\n", " ").replace("&&", "\n").splitlines()
        return [words for line in lines if (words := shlex.split(line, comments=True))]

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def pages() -> list[Path]:
    """README and everything under docs."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(page: Path) -> Iterator[Block]:
    """The blocks of a page, in order."""
    text = page.read_text()
    for found in _FENCE.finditer(text):
        line = text[: found.start(2)].count("\n") + 1
        yield Block(page, line, found[2], found[3], found[1] or "")
