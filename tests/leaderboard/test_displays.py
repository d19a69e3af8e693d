from __future__ import annotations

from dataclasses import replace

import pytest
from fits import fit

from brainbench import MetricCard
from brainbench.leaderboard.board import board
from brainbench.leaderboard.displays import display
from brainbench.leaderboard.markdown import explanations, page
from brainbench.leaderboard.rows import editions
from brainbench.leaderboard.text_tables import tables
from brainbench.pipeline.scores import display_of
from brainbench.records import Display, MetricResult, Record

MINE = MetricCard(
    name="mine",
    loader=dict,
    needs=frozenset({"responses"}),
    columns={"depth": "depth", "tilt": "tilt"},
    explanation={"depth": "depth, tilt: how a plugin of somebody else explains its columns."},
    precedence=5,
    ceiling=True,
    errors="Depth with errors",
    errors_note="± what the plugin says.",
)
OTHER = Display({"all": "other"}, explanation={"all": "other: comes first."}, precedence=6)


def with_metrics(**metrics: MetricResult) -> Record:
    return replace(fit("a", 0.5), metrics=metrics)


def of_mine() -> Record:
    values = {"depth": 0.25, "tilt": 0.75, "depth_se": 0.5, "tilt_se": 0.5}
    return with_metrics(mine=MetricResult("1", display_of(MINE), values), zzz=MetricResult("1", OTHER, {"all": 1.0}))


def test_a_metric_of_anybody_explains_its_columns_and_says_where_they_stand() -> None:
    (edition,) = editions([of_mine()])
    made = board(edition)
    assert [column.heading for column in made.columns] == ["other", "depth", "tilt"]
    assert explanations(made) == [
        "other: comes first.",
        "depth, tilt: how a plugin of somebody else explains its columns.",
    ]
    assert "- depth, tilt: how a plugin of somebody else explains its columns.\n" in page([made])


def test_a_metric_of_anybody_has_its_table_of_standard_errors() -> None:
    (edition,) = editions([of_mine()])
    table = next(table for table in tables(board(edition)) if table.title == "Depth with errors")
    assert table.note == "± what the plugin says."
    assert [list(row.values())[-2:] for row in table.frame.to_dict("records")] == [["0.250 ± 0.500", "0.750 ± 0.500"]]


@pytest.mark.parametrize(("ceiling", "shown"), [(True, "0.600"), (False, "")])
def test_the_noise_ceiling_is_shown_where_it_bounds_a_metric(ceiling: bool, shown: str) -> None:
    how = Display({"all": "mine"}, ceiling=ceiling)
    (edition,) = editions([with_metrics(mine=MetricResult("1", how, {"all": 0.25}))])
    controls = tables(board(edition))[-1].frame.to_dict("records")
    assert (controls[-1]["backbone"], controls[-1]["mine"]) == ("noise ceiling", shown)


def test_records_of_earlier_versions_are_completed_from_the_installed_card() -> None:
    early = MetricResult("1", Display({"all": "R2"}), {"all": 0.5})
    found = display("r2", early)
    assert found.columns == {"all": "R2"}
    assert found.explanation["all"].startswith("R2: ")
    assert found.ceiling
    assert found.precedence > 0
    assert display("metric-that-nobody-has", early) == early.display


def test_what_a_record_says_comes_before_the_installed_card() -> None:
    said = Display({"all": "R2"}, explanation={"all": "R2: in other words."})
    assert display("r2", MetricResult("1", said)) == said


def test_only_columns_are_explained() -> None:
    with pytest.raises(ValueError, match="mine: explanation of 'dept'; explain its columns: depth, tilt"):
        replace(MINE, explanation={"dept": "dept: misspelt."})
