from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from brainbench import MetricCard, MetricInputs, PluginError, Predictions, Score, Selectors
from brainbench.metrics.bootstrap import DRAWS, unpacked
from brainbench.pipeline.scores import LoadedMetric, noise_ceiling, score

INPUTS = MetricInputs(
    predictions=Predictions(np.zeros((2, 3)), np.zeros((2, 3)), ("a", "b")), selectors=Selectors(("one",)), seed=4
)


class Spy:
    def __init__(self, result: Any = None) -> None:
        self.result = result if result is not None else Score({"x": 1.0})

    def score(self, inputs: MetricInputs) -> Any:
        self.seen = inputs
        return self.result


def loaded(spy: Spy, *needs: Any) -> LoadedMetric:
    return LoadedMetric(MetricCard(name="spy", loader=lambda: None, needs=frozenset(needs), columns={"x": "X"}), spy)


def test_a_metric_sees_what_its_card_needs_and_nothing_else() -> None:
    spy = Spy()
    result, _ = score(loaded(spy, "predictions"), INPUTS)
    assert result.values == {"x": 1.0}
    assert spy.seen.predictions is INPUTS.predictions
    assert spy.seen.selectors is None
    assert spy.seen.seed == 4


def test_the_record_says_which_figures_are_layers() -> None:
    card = replace(loaded(Spy()).card, layers={"layer:": ("x",)})
    result, _ = score(LoadedMetric(card, Spy()), INPUTS)
    assert result.display.layers == {"layer:": ["x"]}


def test_other_subjects_dissimilarities_go_with_the_own() -> None:
    inputs = MetricInputs(dissimilarities=np.zeros((2, 2)), other_dissimilarities=(np.ones((2, 2)),))
    blind, seeing = Spy(), Spy()
    score(loaded(blind), inputs)
    score(loaded(seeing, "dissimilarities"), inputs)
    assert blind.seen.other_dissimilarities == ()
    assert seeing.seen.other_dissimilarities is inputs.other_dissimilarities


def test_what_is_missing_makes_it_not_applicable_without_asking_the_metric() -> None:
    spy = Spy()
    result, _ = score(loaded(spy, "selectors", "masks", "tokens"), INPUTS)
    assert result.not_applicable == "there are no masks and no tokens"
    assert not hasattr(spy, "seen")


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (Score({"x": float("nan"), "y": 1.0}), r"spy: not a finite number: x \(up to 1e\+100\); return Score"),
        (Score({"x": float("inf")}), "not a finite number: x"),
        (0.5, r"score\(\) must return brainbench.Score, got float"),
    ],
)
def test_anything_but_finite_numbers_is_the_plugins_failure(result: Any, message: str) -> None:
    with pytest.raises(PluginError, match=message):
        score(loaded(Spy(result), "predictions"), INPUTS)


def test_draws_are_kept_as_deviations_from_their_figure() -> None:
    drawn = np.linspace(0.4, 0.6, DRAWS)
    result, _ = score(loaded(Spy(Score({"x": 0.5}, draws={"x": drawn})), "predictions"), INPUTS)
    np.testing.assert_allclose(unpacked(result.draws["x"]), drawn - 0.5, atol=1e-4)


@pytest.mark.parametrize(
    "draws", [{"y": np.zeros(DRAWS)}, {"x": np.zeros(10)}, {"x": np.full(DRAWS, np.nan)}], ids=["name", "number", "nan"]
)
def test_draws_of_nothing_or_of_another_number_are_refused(draws: dict[str, np.ndarray]) -> None:
    with pytest.raises(PluginError, match=r"spy: draws of '[xy]' must be 1000 finite numbers"):
        score(loaded(Spy(Score({"x": 0.5}, draws=draws)), "predictions"), INPUTS)


def test_draws_that_half_precision_cannot_hold_are_left_out_and_named() -> None:
    drawn = {"x": np.linspace(-1e35, 0, DRAWS), "y": np.zeros(DRAWS)}
    result, _ = score(loaded(Spy(Score({"x": -1e34, "y": 0.1}, draws=drawn)), "predictions"), INPUTS)
    assert result.values == {"x": -1e34, "y": 0.1}
    assert set(result.draws) == {"y"}
    assert "no interval for x" in result.notes[0]


def test_the_noise_ceiling_of_voxels_without_one_is_left_out() -> None:
    rois = {"V1": np.array([True, True, False]), "V2": np.array([False, False, True])}
    assert noise_ceiling(np.array([0.2, np.nan, np.nan]), rois) == {"all": 0.2, "V1": 0.2}


def test_the_noise_ceiling_is_a_mean_over_all_and_over_each_roi() -> None:
    rois = {"V1": np.array([True, True, False]), "V2": np.array([False, False, False])}
    assert noise_ceiling(np.array([0.2, 0.4, 0.9]), rois) == pytest.approx({"all": 0.5, "V1": 0.3})
    assert noise_ceiling(None, rois) == {}
