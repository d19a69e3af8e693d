"""For every check of the kit, a metric that breaks what it is about is named by it; a good one passes all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from brainbench import Cell, MetricCard, MetricInputs, Score, Setting
from brainbench.testing import METRIC_CHECKS, MetricCase, MetricContract


def error(inputs: MetricInputs) -> np.ndarray:
    assert inputs.predictions is not None
    found: np.ndarray = np.abs(inputs.predictions.values - inputs.predictions.observed).mean(axis=0)
    return found


class Good:
    """The mean error of every voxel; subclasses spoil one thing each."""

    def score(self, inputs: MetricInputs) -> Score:
        voxels = error(inputs)
        assert inputs.responses is not None
        rois = {name: float(voxels[mask].mean()) for name, mask in inputs.responses.rois.items()}
        return Score(values={"all": float(voxels.mean()), **rois}, per_voxel=voxels)


def card_of(metric: Callable[[], Any], **facts: Any) -> MetricCard:
    known: dict[str, Any] = {
        "needs": frozenset({"predictions", "responses"}),
        "columns": {"all": "error"},
        "roi_columns": True,
        "explanation": {"all": "error: mean over voxels."},
    }
    return MetricCard(name="toymetric", loader=lambda *, settings: metric(), **{**known, **facts})


def broken_by(metric: Callable[[], Any], **facts: Any) -> dict[str, str]:
    """The checks that this metric does not pass, and what they say."""
    case, found = MetricCase(card_of(metric, **facts)), {}
    for name, check in METRIC_CHECKS.items():
        try:
            check(case)
        except Exception as error:
            found[name] = str(error)
    return found


def saying(score: Callable[[MetricInputs], Score]) -> Callable[[], Any]:
    return lambda: type("Spoilt", (), {"score": lambda self, inputs: score(inputs)})()


def test_a_good_metric_passes_all() -> None:
    assert broken_by(Good) == {}


class TestGood(MetricContract):
    """The same through pytest, as a plugin's author writes it."""

    @pytest.fixture
    def case(self) -> MetricCase:
        return MetricCase(card_of(Good))


class TestByName(MetricContract):
    name = "pearson"
    skips = {"draws": "to see a check left out"}  # noqa: RUF012


def spoil(inputs: MetricInputs) -> Score:
    assert inputs.predictions is not None
    inputs.predictions.values[0, 0] += 1
    return Good().score(inputs)


def draw(inputs: MetricInputs) -> Score:
    return Score({"all": float(np.random.normal())})


CALLS: list[int] = []


def count(inputs: MetricInputs) -> Score:
    CALLS.append(1)
    return Score({"all": float(len(CALLS))})


def need_rois(inputs: MetricInputs) -> Score:
    assert inputs.responses is not None
    return Score({"all": float(error(inputs)[inputs.responses.rois["V1"]].mean())})


ALONE: dict[str, Any] = {"roi_columns": False}


@pytest.mark.parametrize(
    ("metric", "facts", "check", "message"),
    [
        (dict, {}, "loads", r"load\(\) returned dict, expected a Metric"),
        (saying(lambda inputs: Score({"all": float("nan")})), ALONE, "figures", "toymetric: not a finite number: all"),
        (saying(lambda inputs: Score()), ALONE, "figures", "no scores, and no reason"),
        (saying(lambda inputs: Score(not_applicable=" ")), ALONE, "figures", "not_applicable is empty"),
        (saying(lambda inputs: Score({"al": 1.0})), ALONE, "figures", r"scores \['al'\], none of the card's columns"),
        (saying(lambda inputs: Score({"all": 1.0})), {}, "figures", "roi_columns, but no score of EBA"),
        (Good, {"errors": "With errors"}, "figures", "errors, but no score all_se"),
        (Good, {"layers": {"layer:": ("all",)}}, "figures", r"layers\['layer:'\], but no score begins with it"),
        (Good, {"columns": {"all": "error", "half": "half"}}, "every column", "columns without a score: half"),
        (saying(count), ALONE, "same seed", "scored again: "),
        (saying(spoil), {}, "inputs kept", "it changes its inputs"),
        (saying(lambda i: Score({"all": 1.0}, per_voxel=error(i)[:3])), ALONE, "per voxel", r"per_voxel is \[3\]"),
        (saying(lambda i: Score({"all": 1.0}, draws={"all": np.zeros(3)})), ALONE, "draws", "must be 1000 finite"),
        (saying(need_rois), ALONE, "less to read", "V1"),
        (Good, {"explanation": {}}, "explained", "no explanation of its columns"),
        (Good, {"explanation": {"all": "The mean over voxels"}}, "explained", "begin with its heading and a colon"),
        (saying(draw), ALONE, "quiet", "draws from the global generator of numpy"),
    ],
)
def test_a_broken_metric_is_named(
    metric: Callable[[], Any], facts: Mapping[str, Any], check: str, message: str
) -> None:
    found = broken_by(metric, **facts)
    assert check in found
    with pytest.raises(AssertionError, match=message):
        raise AssertionError(found[check])


class OverRecords:
    """Seconds of every cell."""

    def score(self, cells: Sequence[Cell]) -> Sequence[Score]:
        return [Score({"all": cell.cost["wall_s"]}) for cell in cells]


class OneShort(OverRecords):
    def score(self, cells: Sequence[Cell]) -> Sequence[Score]:
        return super().score(cells[1:])


class SpoilsCells(OverRecords):
    def score(self, cells: Sequence[Cell]) -> Sequence[Score]:
        for cell in cells:
            if (found := cell.per_voxel("r2")) is not None:
                found += 1
        return super().score(cells)


RECORDS: dict[str, Any] = {"needs": frozenset({"records"}), "roi_columns": False}


def test_metrics_over_records() -> None:
    assert broken_by(OverRecords, **RECORDS) == {}
    assert broken_by(OneShort, **RECORDS)["figures"] == "score() returned 7 scores for 8 cells"
    assert list(broken_by(SpoilsCells, **RECORDS)) == ["inputs kept"]


def test_settings_and_inputs_are_those_of_the_case() -> None:
    setting = Setting("size", int, 3, "how many")
    seen: list[Any] = []
    card = MetricCard(
        name="set",
        loader=lambda *, settings: seen.append(settings) or Good(),
        needs=frozenset({"predictions", "responses"}),
        columns={},
        settings=(setting,),
    )
    MetricCase(card, {"size": 5}).load()
    assert seen == [{"size": 5}]


@pytest.mark.parametrize(
    ("skips", "message"),
    [({"draws": " "}, r"skips\['draws'\] has no reason"), ({"drawz": "why"}, r"skips \['drawz'\]: no such check")],
)
def test_a_check_is_left_out_for_a_reason(skips: dict[str, str], message: str) -> None:
    contract = type("Skipping", (MetricContract,), {"skips": skips})()
    # pytest.fail raises what is no Exception.
    with pytest.raises(BaseException, match=message):
        contract.test_contract(METRIC_CHECKS["draws"], MetricCase(card_of(Good)))
