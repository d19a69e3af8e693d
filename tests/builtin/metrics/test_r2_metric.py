from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.metrics import r2_score

from brainbench import MetricInputs, Predictions, Responses, Score, resamples
from brainbench.builtin.metrics.cards import R2


def score(
    observed: np.ndarray,
    predicted: np.ndarray,
    rois: dict[str, np.ndarray] | None = None,
    ceiling: np.ndarray | None = None,
) -> Score:
    responses = Responses(
        "1",
        observed,
        np.arange(len(observed)),
        np.full(len(observed), "test"),
        "key",
        rois=rois or {},
        noise_ceiling=ceiling,
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


def test_a_share_of_the_ceiling_is_mean_over_mean_and_above_one_is_flagged(data: tuple[np.ndarray, np.ndarray]) -> None:
    observed, predicted = data
    v1 = np.array([1, 1, 0, 0, 0, 0], dtype=bool)
    ceiling = np.array([0.99, 0.91, 0.4, 0.4, 0.4, np.nan])
    result = score(observed, predicted, {"V1": v1, "EBA": ~v1}, ceiling)
    assert result.per_voxel is not None
    figures = result.per_voxel.astype(np.float64)
    assert result.values["V1_of_ceiling"] == pytest.approx(figures[:2].mean() / 0.95, rel=1e-6)
    assert result.values["EBA_of_ceiling"] == pytest.approx(figures[2:5].mean() / 0.4, rel=1e-6)
    assert result.values["all_of_ceiling"] == pytest.approx(figures[:5].sum() / 3.1, rel=1e-6)
    assert result.notes == ("r2: above the noise ceiling in EBA: the ceiling is too low there",)
    assert "V1_of_ceiling" not in score(observed, predicted, {"V1": v1}).values


def test_a_region_without_explainable_variance_has_no_share(data: tuple[np.ndarray, np.ndarray]) -> None:
    assert "all_of_ceiling" not in score(*data, ceiling=np.zeros(6)).values


def test_draws_are_r2_of_the_images_drawn(data: tuple[np.ndarray, np.ndarray], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("brainbench.builtin.metrics.voxel_blocks.MOST", 4)
    observed, predicted = data
    v1 = np.array([1, 1, 0, 0, 0, 0], dtype=bool)
    result = score(observed, predicted, {"V1": v1})
    counts = resamples([str(i) for i in range(40)])
    assert counts is not None
    for draw in (0, 17, 999):
        rows = np.repeat(np.arange(40), counts[draw].astype(int))
        oracle = r2_score(observed[rows].astype(float), predicted[rows].astype(float), multioutput="raw_values")
        assert result.draws["all"][draw] == pytest.approx(oracle.mean(), rel=1e-4)
        assert result.draws["V1"][draw] == pytest.approx(oracle[:2].mean(), rel=1e-4)


def test_a_voxel_that_no_drawn_image_moves_is_left_out_of_that_draw() -> None:
    rng = np.random.default_rng(0)
    observed = rng.normal(size=(12, 2))
    observed[:, 1] = 0
    observed[0, 1] = 1  # one image in twelve: a third of all draws lack it
    draws = score(observed, np.zeros_like(observed)).draws["all"]
    assert np.isfinite(draws).all()
    assert np.abs(draws).max() < 10


def test_few_images_have_no_draws(data: tuple[np.ndarray, np.ndarray]) -> None:
    assert score(data[0][:9], data[1][:9]).draws == {}
