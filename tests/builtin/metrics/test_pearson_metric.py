from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.stats import pearsonr

from brainbench import MetricInputs, Predictions, Responses, Score
from brainbench.builtin.metrics.cards import PEARSON


def score(observed: np.ndarray, predicted: np.ndarray, rois: dict[str, np.ndarray] | None = None) -> Score:
    responses = Responses(
        "1", observed, np.arange(len(observed)), np.full(len(observed), "test"), "key", rois=rois or {}
    )
    predictions = Predictions(predicted, observed, tuple(map(str, range(len(observed)))))
    metric: Any = PEARSON.loader(settings={})
    result: Score = metric.score(MetricInputs(predictions=predictions, responses=responses))
    return result


@pytest.fixture
def data() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    observed = rng.normal(1000, 3, (40, 6)).astype(np.float32)
    return observed, (observed + rng.normal(0, 2, observed.shape)).astype(np.float32)


def test_agrees_with_scipy_over_all_and_rois(data: tuple[np.ndarray, np.ndarray]) -> None:
    observed, predicted = data
    v1 = np.array([1, 1, 0, 0, 0, 0], dtype=bool)
    result = score(observed, predicted, {"V1": v1, "EBA": ~v1})
    oracle = pearsonr(observed.astype(np.float64), predicted.astype(np.float64), axis=0).statistic
    assert result.values == pytest.approx({"all": oracle.mean(), "V1": oracle[:2].mean(), "EBA": oracle[2:].mean()})
    assert result.per_voxel is not None
    np.testing.assert_allclose(result.per_voxel, oracle, rtol=1e-6)
    assert result.notes == ()


def test_mean_and_scale_of_the_predictions_do_not_matter_but_their_sign_does(
    data: tuple[np.ndarray, np.ndarray],
) -> None:
    observed, _ = data
    assert score(observed, 0.1 * observed.astype(np.float64) - 7).values["all"] == pytest.approx(1)
    assert score(observed, -observed).values["all"] == pytest.approx(-1)


def test_voxels_that_do_not_vary_are_left_out_and_noted(data: tuple[np.ndarray, np.ndarray]) -> None:
    observed, predicted = data
    observed[:, 2] = 0.1
    predicted[:, 2:4] = 0.1
    still = np.isin(np.arange(6), (2, 3))
    result = score(observed, predicted, {"V1": ~still, "V2": still})
    assert result.values["all"] == result.values["V1"]
    assert "V2" not in result.values
    assert result.per_voxel is not None
    assert np.isnan(result.per_voxel).tolist() == still.tolist()
    assert result.notes == (
        "the responses of 1 of 6 voxels do not vary over the test split; these are left out",
        "the predictions of 2 of 6 voxels do not vary over the test split; these are left out",
    )


def test_no_voxel_varies(data: tuple[np.ndarray, np.ndarray]) -> None:
    observed, _ = data
    reason = "no voxel varies over the test split, both measured and predicted"
    assert score(observed, np.ones_like(observed)).not_applicable == reason
