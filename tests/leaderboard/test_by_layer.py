from __future__ import annotations

from dataclasses import replace
from io import StringIO
from pathlib import Path

import pandas as pd
import pytest
from records import a_record

from brainbench.leaderboard.render import render
from brainbench.records import Display, MetricResult, Record

PAGE, TABLE = Path("data.layers.md"), Path("data.layers.csv")
DISPLAY = Display({"best": "fit", "chance": "fit chance"}, digits=2, layers={"layer:": ["best", "chance"]})


def record(
    layers: dict[str, float],
    backbone: str = "net/a",
    *,
    subject: str = "1",
    encoder: str = "",
    control: bool = False,
    version: str = "1",
    display: Display = DISPLAY,
    best: float | None = 0.9,
) -> Record:
    values = ({} if best is None else {"best": best}) | {"chance": 0.25}
    return a_record(
        backbone,
        encoder,
        subject=subject,
        control=control,
        dataset={"version": version},
        key=f"{backbone}{subject}{encoder}{version}".encode().hex(),
        metrics={"m": MetricResult("1", display, values | {f"layer:{name}": v for name, v in layers.items()})},
    )


def table(*records: Record) -> pd.DataFrame:
    return pd.read_csv(StringIO(render(records)[TABLE]))


def line(text: str, name: str) -> list[str]:
    return [cell.strip() for cell in next(row for row in text.splitlines() if f"| {name} " in row).split("|")[1:-1]]


def test_a_column_a_layer_with_what_the_board_says_beside_it() -> None:
    text = render([record({"early": 0.2, "b:late": 0.412})])[PAGE]
    assert line(text, "backbone") == ["backbone", "weights", "encoder", "1", "2", "fit", "fit chance"]
    assert line(text, "net/a") == ["net/a", "v1", "-", "0.20", "**0.41**", "0.90", "0.25"]


def test_the_csv_has_a_line_for_each_layer_and_then_for_each_figure_beside() -> None:
    found = table(record({"early": 0.2, "b:late": 0.412345678}))
    assert found["layer"].fillna("").tolist() == ["early", "b:late", "", ""]
    assert found["number"].tolist()[:2] == [1, 2]
    assert found["number"].isna().tolist() == [False, False, True, True]
    assert found["figure"].tolist() == ["fit", "fit", "fit", "fit chance"]
    assert found["mean"].tolist() == [0.2, 0.412346, 0.9, 0.25]


def test_subjects_are_pooled_and_none_may_be_missing() -> None:
    one = record({"a": 0.2, "b": 0.3}, encoder="fit")
    two = record({"a": 0.4}, subject="2", encoder="fit")
    found = table(one, two).set_index("layer")
    assert found.loc["a", "mean"] == pytest.approx(0.3)
    assert found.loc["a", "sd"] == pytest.approx(0.02**0.5, rel=1e-5)
    assert pd.isna(found.loc["b", "mean"])
    assert line(render([one, two])[PAGE], "net/a")[3:5] == ["**0.30**", "-"]


def test_shallower_networks_leave_the_last_columns_empty_and_controls_stand_below() -> None:
    text = render(
        [record({"a": 0.1, "b": 0.1, "c": 0}), record({"a": 0.2}, "net/b"), record({"grey": 1}, "pixels", control=True)]
    )[PAGE]
    assert line(text, "net/b")[3:6] == ["**0.20**", "", ""]
    assert line(text, "net/a")[3:6] == ["**0.10**", "**0.10**", "0.00"]
    assert text.index("net/a") < text.index("### Controls") < text.index("pixels")


@pytest.mark.parametrize(
    ("direction", "shown"),
    [("lower", ["**0.10**", "0.20"]), ("none", ["0.10", "0.20"]), ("higher", ["0.10", "**0.20**"])],
)
def test_the_best_layer_is_on_the_better_side(direction: str, shown: list[str]) -> None:
    display = replace(DISPLAY, direction=direction)  # type: ignore[arg-type]
    assert line(render([record({"a": 0.1, "b": 0.2}, display=display)])[PAGE], "net/a")[3:5] == shown


def test_layers_are_shown_without_a_best_one() -> None:
    text = render([record({"a": 0.1}, best=None)])[PAGE]
    assert "## fit\n" in text
    assert line(text, "backbone")[3:] == ["1", "fit chance"]


def test_every_kind_of_figure_and_every_edition_has_a_table_of_its_own() -> None:
    both = replace(DISPLAY, layers={"layer:": ["best"], "chance:": ["chance"]})
    records = [record({"a": 0.1}, display=both), record({"a": 0.2}, display=both, version="2")]
    kinds = [
        replace(r, metrics={"m": replace(r.metrics["m"], values=r.metrics["m"].values | {"chance:a": 0.3})})
        for r in records
    ]
    headings = [row for row in render(kinds)[PAGE].splitlines() if row.startswith("## ")]
    assert headings == [
        "## fit, dataset version 1", "## fit chance, dataset version 1",
        "## fit, dataset version 2", "## fit chance, dataset version 2",
    ]  # fmt: skip
    assert render(kinds) == render(kinds[::-1])


def test_records_without_layers_make_no_table() -> None:
    plain = record({"a": 0.1}, display=replace(DISPLAY, layers={}))
    assert not {PAGE, TABLE} & render([plain]).keys()
    assert not {PAGE, TABLE} & render([record({})]).keys()
