"""The README's table: a few columns of the committed demo board, factortopy alone.

python docs/readme_table.py     writes it between its two marks
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
BOARD = ROOT / "leaderboards" / "demo.csv"
BEGIN, END = "<!-- board: python docs/readme_table.py -->\n", "<!-- /board -->\n"


def table() -> str:
    """The table as Markdown."""
    board = pd.read_csv(BOARD)
    board = board[board["encoder"] == "factortopy"]
    shown = pd.DataFrame(
        {
            "rank": board["rank"].map("{:.0f}".format).where(~board["control"], "control"),
            "backbone": board["backbone"],
            "R2": board["R2"].map("{:.3f}".format),
            "95 % interval": "["
            + board["R2 low"].map("{:.3f}".format)
            + ", "
            + board["R2 high"].map("{:.3f}".format)
            + "]",
            "of ceiling": board["of ceiling"].map("{:.2f}".format),
            **{roi: board[roi].map("{:.3f}".format) for roi in ("V1", "hV4", "PPA")},
        }
    )
    return shown.to_markdown(index=False, disable_numparse=True) + "\n"


def with_table(text: str) -> str:
    """The README's text with the table as it ought to be."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


if __name__ == "__main__":
    README.write_text(with_table(README.read_text()))
