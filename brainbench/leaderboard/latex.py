"""Boards -> LaTeX: the tables of the page for a paper; they need the package booktabs."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pandas as pd

from brainbench.leaderboard.board import Board
from brainbench.leaderboard.text_tables import NAMES, tables
from brainbench.util.texts import one_line

_SPECIAL = {c: f"\\{c}" for c in "&%$#_{}"} | {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "±": r"$\pm$",
    "<": "$<$",
    ">": "$>$",
}


def latex(boards: Sequence[Board]) -> str:
    """Return one tabular for every table of every edition, each below a comment with its title."""
    parts = []
    for board in boards:
        for table in tables(board):
            edition = " ".join(filter(None, (board.edition.version, board.edition.settings)))
            title = one_line(f"{board.edition.dataset}, version {edition}: {table.title or 'overall'}")
            cells = {name: table.frame[name].map(_escaped if name in NAMES else _cell) for name in table.frame.columns}
            frame = pd.DataFrame(cells).rename(columns=_escaped)
            text = frame.to_markdown(index=False, tablefmt="latex_raw", disable_numparse=True)
            parts.append(f"% {title}\n{_ruled(text)}\n")
    return "\n".join(parts)


def _cell(text: str) -> str:
    text = _escaped(text)
    text = re.sub(r"\*\*(.+?)\*\*", r"\\textbf{\1}", text)
    return re.sub(r"\*(.+?)\*", r"\\emph{\1}", text)


def _escaped(text: str) -> str:
    return "".join(_SPECIAL.get(character, character) for character in one_line(text))


def _ruled(text: str) -> str:
    """Replace plain rules by those of booktabs. tabulate's booktabs style would escape text that is escaped already."""
    for rule in (r"\toprule", r"\midrule", r"\bottomrule"):
        text = text.replace(r"\hline", rule, 1)
    return text
