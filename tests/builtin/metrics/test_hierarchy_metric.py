from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.stats import linregress

from brainbench import MetricInputs, Responses, Score, Selectors
from brainbench.builtin.metrics.cards import HIERARCHY

ROIS = ("V1", "V2", "V3", "OPA", "EBA", "FFA")
IDEAL = {"V1": 0.0, "V2": 1 / 3, "V3": 1 / 3, "OPA": 2 / 3, "EBA": 1.0}
ROI_OF_VOXEL = np.array(ROIS)[np.arange(60) % 6]


def score(layer: np.ndarray | None, rois: dict[str, np.ndarray]) -> Score:
    responses = Responses("1", np.zeros((1, 60)), np.zeros(1, int), np.array(["test"]), "key", rois=rois)
    selectors = Selectors(layers=(), layer=layer)
    metric: Any = HIERARCHY.loader(settings={})
    result: Score = metric.score(MetricInputs(selectors=selectors, responses=responses))
    return result


@pytest.fixture
def rois() -> dict[str, np.ndarray]:
    return {name: np.equal(ROI_OF_VOXEL, name) for name in ROIS}


def test_agrees_with_scipy(rois: dict[str, np.ndarray]) -> None:
    layer = np.random.default_rng(0).dirichlet(np.ones(7), size=60).astype(np.float32)
    place = (layer * np.arange(7) / 6).sum(1)
    used = ROI_OF_VOXEL != "FFA"
    oracle = linregress([IDEAL[name] for name in ROI_OF_VOXEL[used]], place[used])
    result = score(layer, rois)
    figures = {"slope": oracle.slope, "b0": oracle.intercept, "b1": oracle.slope + oracle.intercept}
    assert {name: result.values[name] for name in figures} == pytest.approx(figures, abs=1e-6)
    assert result.values["slope_se"] == pytest.approx(oracle.stderr)
    assert result.values["b0_se"] == pytest.approx(oracle.intercept_stderr)
    assert result.per_voxel is not None
    np.testing.assert_allclose(result.per_voxel, place, atol=1e-6)


def test_standard_errors_are_those_of_least_squares(rois: dict[str, np.ndarray]) -> None:
    layer = np.random.default_rng(1).dirichlet(np.ones(5), size=60)
    used = ROI_OF_VOXEL != "FFA"
    ideal = np.array([IDEAL[name] for name in ROI_OF_VOXEL[used]])
    design = np.stack([ideal, np.ones(used.sum())], axis=1)
    _, (residual,), _, _ = np.linalg.lstsq(design, layer[used] @ np.linspace(0, 1, 5), rcond=None)
    covariance = residual / (used.sum() - 2) * np.linalg.inv(design.T @ design)
    result = score(layer, rois)
    variances = {"slope_se": covariance[0, 0], "b0_se": covariance[1, 1], "b1_se": covariance.sum()}
    assert {name: result.values[name] for name in variances} == pytest.approx(
        {name: np.sqrt(variance) for name, variance in variances.items()}
    )


def test_a_perfect_hierarchy_has_slope_one(rois: dict[str, np.ndarray]) -> None:
    index = np.array([round(3 * IDEAL.get(name, 0.0)) for name in ROI_OF_VOXEL])
    assert score(np.eye(4)[index], rois).values == pytest.approx(
        {"slope": 1, "b0": 0, "b1": 1, "slope_se": 0, "b0_se": 0, "b1_se": 0}
    )


def test_a_voxel_in_v2_and_v3_counts_once(rois: dict[str, np.ndarray]) -> None:
    layer = np.random.default_rng(0).dirichlet(np.ones(7), size=60)
    overlapping = rois | {"V2": rois["V2"] | rois["V3"]}
    assert score(layer, overlapping).values == pytest.approx(dict(score(layer, rois).values))


def test_missing_rois_are_named(rois: dict[str, np.ndarray]) -> None:
    del rois["OPA"]
    rois["V3"] = np.zeros(60, dtype=bool)
    assert score(np.full((60, 3), 1 / 3), rois).not_applicable == "no voxels in V3, OPA"


def test_no_or_one_layer(rois: dict[str, np.ndarray]) -> None:
    assert score(None, rois).not_applicable == "the encoder has no layer selector"
    assert score(np.ones((60, 1)), rois).not_applicable == "a single layer has no hierarchy"
