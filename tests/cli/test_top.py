"""What a run shows when it is over."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from brainbench.cli import top


def _row(rank: int | None, name: str, **figures: dict[str, float | None]) -> dict[str, object]:
    named = {"r2.all": figures.get("r2"), "hierarchy.slope": figures.get("slope")}
    return {"rank": rank, "backbone": name, "encoder": "factortopy", "figures": {k: v for k, v in named.items() if v}}


def test_the_first_ranked_rows_of_the_edition_of_this_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [
        _row(1, "a/one", r2={"mean": 0.25, "low": 0.2, "high": 0.3}, slope={"mean": 0.5}),
        _row(1, "b/two", r2={"mean": 0.2, "low": None, "high": None}),
        _row(None, "pixels", r2={"mean": 0.9}),
        *(_row(3, f"c/{number}") for number in range(9)),
    ]
    editions = [{"version": "1", "rows": [_row(1, "old/one")]}, {"version": "2", "rows": rows}]
    board = tmp_path / "demo.json"
    board.write_text(json.dumps({"editions": editions}))
    top.show(board, "2", simulated=True)
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split("\t") == ["rank", "backbone", "encoder", "R2", "95 % interval", "slope"]
    assert lines[2].split("\t") == ["1", "a/one", "factortopy", "0.250", "0.200 to 0.300", "0.50"]
    assert lines[3].split("\t") == ["1", "b/two", "factortopy", "0.200", "", ""]
    assert len([line for line in lines if line.startswith(("1\t", "3\t"))]) == top.ROWS
    assert "old/one" not in "\n".join(lines)
    assert "pixels" not in "\n".join(lines)
    assert lines[-4].startswith("Simulated brains, miniature networks")
    assert str(board.with_suffix(".md")) in lines[-3]
    top.show(board, "2", simulated=False)
    assert "Simulated" not in capsys.readouterr().out
    # No row of this version, and no board at all.
    top.show(board, "3", simulated=False)
    assert "95 % interval" not in capsys.readouterr().out
    top.show(tmp_path / "none.json", "2", simulated=False)
    assert capsys.readouterr().out == ""
