"""What a run shows when it is over: the top of the board, and where to go from there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from brainbench.cli import table

ROWS = 5
_HEADER = ("rank", "backbone", "encoder", "R2", "95 % interval", "slope")


def show(board: Path, version: str, *, simulated: bool) -> None:
    """Print the first ranked rows of a board, if there are any, to standard output.

    board: the JSON that was written beside its Markdown; version: the dataset's, of whose editions the first is shown.
    """
    if not board.exists():
        return
    editions = [e for e in json.loads(board.read_text(encoding="utf-8"))["editions"] if e["version"] == version]
    ranked = [row for edition in editions[:1] for row in edition["rows"] if row["rank"] is not None][:ROWS]
    if ranked:
        click.echo()
        table.show(_HEADER, [_cells(row) for row in ranked])
    click.echo()
    if simulated:
        from brainbench.leaderboard.markdown import SIMULATED

        click.echo(SIMULATED)
    click.echo(f"All rows:       {board.with_suffix('.md')}")
    click.echo("Layer maps:     brainbench report")
    click.echo("Your own data:  brainbench run --dataset folder --data PATH")


def _cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    r2, slope = row["figures"].get("r2.all"), row["figures"].get("hierarchy.slope")
    between = "" if r2 is None or r2.get("low") is None else f"{r2['low']:.3f} to {r2['high']:.3f}"
    return (
        str(row["rank"]),
        row["backbone"],
        row["encoder"] or "",
        "" if r2 is None else f"{r2['mean']:.3f}",
        between,
        "" if slope is None else f"{slope['mean']:.2f}",
    )
