from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.metrics import r2_score

from brainbench import MetricInputs, Predictions, Responses, Score
from brainbench.builtin.metrics.cards import R2


def score(observed: np.ndarray, predicted: np.ndarray, rois: dict[str, np.ndarray] | None = None) -> Score:
    responses = Responses(
        "1", observed, np.arange(len(observed)), np.full(len(observed), "test"), "key", rois=rois or {}
    )
    predictions = Predictions(predicted, observed, tuple(map(str, range(len(observed)))))
    metric: Any = R2.loader(settings={})
    result: Score = metric.score(MetricInputs(predictions=predictions, responses=responses))
    return result


@pytest.fixture
def data() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    observed = rng.normal(1000, 3, (40, 6)).astype(np.float32)
    return observed, (observed + rng.normal(0, 2, observed.shape)).astype(np.float32)


def test_agrees_with_sklearn_over_all_and_rois(data: tuple[np.ndarray, np.ndarray]) -> None:
    observed, predicted = data
    v1 = np.array([1, 1, 0, 0, 0, 0], dtype=bool)
    result = score(observed, predicted, {"V1": v1, "EBA": ~v1})
    oracle = r2_score(observed.astype(np.float64), predicted.astype(np.float64), multioutput="raw_values")
    assert result.values == pytest.approx({"all": oracle.mean(), "V1": oracle[:2].mean(), "EBA": oracle[2:].mean()})
    assert result.per_voxel is not None
    np.testing.assert_allclose(result.per_voxel, oracle, rtol=1e-5)
    assert result.notes == ()


def test_worse_than_the_mean_is_negative(data: tuple[np.ndarray, np.ndarray]) -> None:
    observed, _ = data
    assert score(observed, np.full_like(observed, 990)).values["all"] < -1


def test_constant_voxels_are_left_out_and_noted(data: tuple[np.ndarray, np.ndarray]) -> None:
    observed, predicted = data
    observed[:, 2] = 0.1
    only = np.arange(6) == 2
    result = score(observed, predicted, {"V1": ~only, "V2": only})
    assert result.values["all"] == result.values["V1"]
    assert "V2" not in result.values
    assert result.per_voxel is not None
    assert np.isnan(result.per_voxel).tolist() == only.tolist()
    assert result.notes == ("r2: 1 of 6 voxels do not vary over the test split and are left out",)


def test_no_voxel_varies(data: tuple[np.ndarray, np.ndarray]) -> None:
    observed, predicted = data
    assert score(observed[:1], predicted[:1]).not_applicable == "no voxel varies over the test split"
