from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.stats import linregress, pearsonr

from brainbench import MetricInputs, Responses, Score, Selectors
from brainbench.builtin.metrics.cards import RECOVERY

IDEAL = {"V1": 0.0, "V2": 1 / 3, "V3": 1 / 3, "OPA": 2 / 3, "EBA": 1.0}
AREA = np.array(list(IDEAL))[np.arange(100) % 5]
ROIS = {name: np.equal(AREA, name) for name in IDEAL}


def some(seed: int) -> Selectors:
    rng = np.random.default_rng(seed)
    height = np.array([IDEAL[a] for a in AREA]) * 5
    layer = np.exp(-((np.arange(6) - height[:, None] - rng.normal(size=(100, 1))) ** 2))
    return Selectors(
        tuple("abcdef"),
        layer=layer / layer.sum(1, keepdims=True),
        space=rng.uniform(-1, 1, (100, 2)),
        scale=rng.uniform(size=100),
    )


def score(found: Selectors | None, truth: Selectors | None) -> Score:
    responses = Responses("1", np.zeros((1, 100)), np.zeros(1, int), np.array(["test"]), "key", rois=ROIS, truth=truth)
    metric: Any = RECOVERY.loader(settings={})
    result: Score = metric.score(MetricInputs(selectors=found, responses=responses))
    return result


def test_the_truth_is_recovered_from_the_truth() -> None:
    values = score(some(0), some(0)).values
    perfect = {"layer_r": 1, "layer_error": 0, "slope_ratio": 1, "space_error": 0, "space_r": 1, "scale_r": 1}
    assert {name: values[name] for name in perfect} == pytest.approx(perfect, abs=1e-6)


def test_agrees_with_scipy() -> None:
    found, truth = some(0), some(1)
    values = score(found, truth).values
    places = [(s.layer * np.arange(6) / 5).sum(1) for s in (found, truth)]
    ideal = [IDEAL[a] for a in AREA]
    slopes = [linregress(ideal, place).slope for place in places]
    space = [pearsonr(found.space[:, k], truth.space[:, k]).statistic for k in range(2)]
    assert values == pytest.approx(
        {
            "layer_r": pearsonr(*places).statistic,
            "layer_error": np.abs(places[0] - places[1]).mean(),
            "slope": slopes[0],
            "true_slope": slopes[1],
            "slope_ratio": slopes[0] / slopes[1],
            "space_error": np.abs(found.space - truth.space).mean(),
            "space_r": np.mean(space),
            "scale_r": pearsonr(found.scale, truth.scale).statistic,
        },
        abs=1e-6,
    )


def test_without_a_hierarchy_there_is_a_slope_but_no_ratio() -> None:
    flat = replace(some(0), layer=np.full((100, 6), 1 / 6))
    values = score(some(0), flat).values
    assert values["true_slope"] == pytest.approx(0, abs=1e-12)
    assert values["slope"] > 0.3
    assert not {"slope_ratio", "layer_r"} & values.keys()


def test_only_selectors_that_are_there_are_compared() -> None:
    assert set(score(Selectors(tuple("abcdef"), space=some(0).space), some(1)).values) == {"space_error", "space_r"}
    assert score(Selectors(tuple("abcdef")), some(1)).not_applicable == "the encoder has no selectors"
    assert score(some(0), None).not_applicable == "it is not known what these voxels read"


def test_all_voxels_alike_correlate_with_nothing() -> None:
    alike = replace(some(0), layer=np.full((100, 6), 1 / 6), scale=np.full(100, 0.5))
    values = score(alike, some(1)).values
    assert values["layer_r"] == values["scale_r"] == 0
