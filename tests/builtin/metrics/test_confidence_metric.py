from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.stats import entropy

from brainbench import MetricInputs, Responses, Score, Selectors
from brainbench.builtin.metrics.cards import CONFIDENCE


def score(layer: np.ndarray | None, rois: dict[str, np.ndarray] | None = None) -> Score:
    voxels = 1 if layer is None else len(layer)
    responses = Responses("1", np.zeros((1, voxels)), np.zeros(1, int), np.array(["test"]), "key", rois=rois or {})
    metric: Any = CONFIDENCE.loader(settings={})
    selectors = None if layer is None else Selectors(layers=(), layer=layer)
    result: Score = metric.score(MetricInputs(selectors=selectors, responses=responses))
    return result


def test_one_hot_is_one_and_uniform_is_zero() -> None:
    assert score(np.eye(5, dtype=np.float32)).values == {"all": 1.0}
    assert score(np.full((3, 5), 0.2)).values["all"] == pytest.approx(0, abs=1e-12)


def test_agrees_with_scipy_over_all_and_rois() -> None:
    layer = np.random.default_rng(0).dirichlet(np.ones(12), size=9)
    oracle = 1 - entropy(layer, axis=1, base=12)
    v1 = np.arange(9) < 4
    result = score(layer, {"V1": v1, "empty": np.zeros(9, dtype=bool)})
    assert result.values == pytest.approx({"all": oracle.mean(), "V1": oracle[:4].mean()})
    assert result.per_voxel is not None
    np.testing.assert_allclose(result.per_voxel, oracle, rtol=1e-5)


def test_no_or_one_layer() -> None:
    assert score(None).not_applicable == "the encoder has no layer selector"
    assert score(np.ones((2, 1))).not_applicable == "with a single layer there is no choice"
