from __future__ import annotations

import pytest
import toy
from fits import failed, fit, tokens

from brainbench import MetricCard, UsageError
from brainbench.builtin.metrics.cards import COST, RSSD
from brainbench.leaderboard.shown_metrics import MetricRequest, installed_computed

COMPUTED = installed_computed(toy.registry(metrics=[toy.R2, toy.COUNT, RSSD, COST]))
RECORDS = [fit("a", 0.1), fit("b", 0.2), tokens("a")]


def test_computed_are_those_that_need_records() -> None:
    assert [(pick.name, pick.version) for pick in COMPUTED] == [("cost", "1"), ("rssd", "1")]


@pytest.mark.parametrize(
    ("names", "held", "computed"),
    [
        ("r2", {"r2"}, []),
        ("r2,rssd", {"r2"}, ["rssd"]),
        ("*", {"r2", "count"}, ["cost", "rssd"]),
        ("co*", {"count"}, ["cost"]),
    ],
)
def test_names_and_globs_over_both_kinds(names: str, held: set[str], computed: list[str]) -> None:
    shown = MetricRequest(COMPUTED, names).among(RECORDS)
    assert shown.held == held
    assert [pick.name for pick in shown.computed] == computed


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ("rsd", "--metrics rsd: the records hold no such metric \\(did you mean 'rssd'"),
        ("r2,coun", "--metrics coun: .*did you mean 'count'.*they hold: count, r2; computed from them: cost, rssd"),
        ("x*", r"--metrics x\*: the records hold no such metric"),
        (",", "no metrics selected"),
    ],
)
def test_an_unknown_name_says_what_there_is(names: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        MetricRequest(COMPUTED, names).among(RECORDS)


def test_unless_asked_records_stay_as_they_are() -> None:
    assert MetricRequest().among(RECORDS).narrowed(RECORDS) == RECORDS
    assert MetricRequest(COMPUTED).among(RECORDS).narrowed([failed("a")]) == [failed("a")]


def test_records_of_another_kind_than_what_is_shown_are_left_out() -> None:
    def left(names: str) -> list[tuple[str, bool, list[str]]]:
        found = MetricRequest(COMPUTED, names).among(RECORDS).narrowed([*RECORDS, failed("c")])
        return [(r.backbone.name, bool(r.encoder), list(r.metrics)) for r in found]

    assert left("r2") == [("a", True, ["r2"]), ("b", True, ["r2"]), ("c", True, [])]
    assert left("count") == [("a", False, ["count"])]
    assert left("rssd") == [("a", True, []), ("b", True, []), ("c", True, [])]
    assert left("cost") == []


def test_a_fit_without_the_figure_that_others_have_stays_as_a_missing_cell() -> None:
    bare = fit("b", 0.2, metrics={})
    assert bare in MetricRequest((), "r2").among(RECORDS).narrowed([fit("a", 0.1), bare])


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"needs": frozenset({"records", "tokens"})}, "mine: needs records, .*; remove its other needs"),
        ({"needs": frozenset({"tokens"}), "own_table": True}, "mine: own_table is only for metrics that need records"),
        (
            {"needs": frozenset({"tokens"}), "layers": {"l:": ("best",)}},
            r"layers\['l:'\] is \('best',\); name .*: none",
        ),
        ({"needs": frozenset({"tokens"}), "layers": {"l:": ()}}, r"layers\['l:'\] is \(\); name one or more"),
    ],
)
def test_a_card_that_nothing_could_serve_is_refused(facts: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MetricCard(name="mine", loader=dict, columns={}, **facts)  # type: ignore[arg-type]
