"""The metric ``dictionary`` against scipy, and on brains where the answer is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from brainbench_sae import metric, rois
from brainbench_sae.plugin import ENCODERS, METRICS
from scipy.stats import spearmanr
from sparse_brains import Sparse, brain, sparse

from brainbench import FitContext, MetricInputs, Predictions, Responses, Score, resamples
from brainbench.testing import MetricCase, MetricContract

EXPLAINED = 0.4
(CARD,) = METRICS
LAYERS = ("block0", "block1")


@pytest.fixture(scope="module")
def data() -> Sparse:
    return sparse()


def inputs_of(data: Sparse, responses: Responses, name: str = "sae/untrained") -> MetricInputs:
    """What a fit of an encoder without training hands to the metric."""
    (card,) = (card for card in ENCODERS if card.name == name)
    settings = {"rate": 3} if name == "sae/untrained" else {}
    fitted = card.loader(settings=card.resolve_settings(settings)).fit(data.features, responses, FitContext(0, "cpu"))
    rows = responses.rows("test")
    ids = tuple(f"image {row}" for row in rows)
    predictions = Predictions(fitted.predict(data.features, rows), responses.values[rows], ids)
    return MetricInputs(
        predictions=predictions,
        selectors=fitted.selectors,
        responses=responses,
        parameters=fitted.parameters(),
    )


def scored(inputs: MetricInputs, **settings: int) -> Score:
    found: Score = CARD.loader(settings=CARD.resolve_settings({"rotations": 50} | settings)).score(inputs)
    return found


@pytest.fixture(scope="module")
def inputs(data: Sparse) -> MetricInputs:
    # Voxels of one ROI have something in common.
    signal = data.series.reshape(80, -1)
    return inputs_of(data, brain(signal[:40] + signal[[78, 79] * 20], EXPLAINED))


class TestDictionary(MetricContract):
    @pytest.fixture
    def case(self, inputs: MetricInputs) -> MetricCase:
        return MetricCase(CARD, {"rotations": 3, "voxels": 20}, inputs)


class TestDictionaryOfAnotherEncoder(MetricContract):
    name = "dictionary"


def test_similarities_are_correlations_on_the_images_of_the_choice_and_on_test_images(inputs: MetricInputs) -> None:
    found, predictions = scored(inputs), inputs.predictions
    assert predictions is not None
    assert inputs.parameters is not None
    expected = [np.corrcoef(a, b)[0, 1] for a, b in zip(predictions.values.T, predictions.observed.T, strict=True)]
    np.testing.assert_allclose(found.per_voxel, expected, atol=1e-6)
    train = inputs.parameters["similarity"].numpy()
    v1 = np.arange(40) % 2 == 0
    assert found.values["test"] == pytest.approx(np.mean(expected))
    assert found.values["train"] == pytest.approx(train.mean())
    assert (found.values["test_max"], found.values["train_max"]) == pytest.approx((max(expected), train.max()))
    assert found.values["test:V1"] == pytest.approx(np.mean(np.array(expected)[v1]))
    assert found.values["train:V1"] == pytest.approx(train[v1].mean())
    layer, unit = inputs.parameters["layer"].numpy(), inputs.parameters["unit"].numpy()
    assert found.values["distinct"] == len(set((layer * 1000 + unit).tolist())) / 40
    assert found.values["share:block1"] == pytest.approx((layer == 1).mean())
    assert found.values["optimism"] == pytest.approx(_largest(96) / 20, rel=0.02)
    assert found.values["active"] == pytest.approx(np.mean([found.values[f"active:{name}"] for name in LAYERS]))


def _largest(count: int) -> float:
    return float(np.random.default_rng(0).normal(size=(20_000, count)).max(axis=1).mean())


def test_consistency_is_spearmans_over_pairs_of_voxels(inputs: MetricInputs) -> None:
    predictions = inputs.predictions
    assert predictions is not None
    above = np.triu_indices(40, 1)
    pairs = [np.corrcoef(values.T)[above] for values in (predictions.values, predictions.observed)]
    assert scored(inputs).values["consistency"] == pytest.approx(spearmanr(*pairs).statistic)
    found = scored(inputs, voxels=30)
    assert found.notes == ("pairs of 30 of 40 voxels, drawn with seed 0; dictionary.voxels takes more",)


def test_trials_of_one_image_are_averaged(inputs: MetricInputs) -> None:
    predictions = inputs.predictions
    assert predictions is not None
    noise = np.random.default_rng(0).normal(size=predictions.observed.shape).astype(np.float32)
    double = Predictions(
        np.repeat(predictions.values, 2, axis=0),
        np.stack([predictions.observed + noise, predictions.observed - noise], axis=1).reshape(-1, 40),
        tuple(name for name in predictions.ids for _ in range(2)),
    )
    found = scored(replace(inputs, predictions=double))
    assert found.values["test"] == pytest.approx(scored(inputs).values["test"], abs=1e-6)


def test_draws_are_the_mean_correlation_of_the_drawn_images(inputs: MetricInputs) -> None:
    predictions = inputs.predictions
    assert predictions is not None
    counts = resamples(predictions.ids)
    assert counts is not None
    drawn = np.repeat(np.arange(len(predictions.ids)), counts[7].astype(int))
    expected = [
        np.corrcoef(a, b)[0, 1] for a, b in zip(predictions.values[drawn].T, predictions.observed[drawn].T, strict=True)
    ]
    draws = scored(inputs).draws["test"]
    assert draws.shape == (1000,)
    assert draws[7] == pytest.approx(np.mean(expected), abs=1e-6)


def test_without_a_relation_test_similarity_is_0_within_its_interval_and_train_shows_the_optimism(data: Sparse) -> None:
    found = scored(inputs_of(data, brain(np.random.default_rng(5).normal(size=(40, 600)), EXPLAINED)))
    low, high = np.quantile(found.draws["test"], [0.025, 0.975])
    assert low < 0 < high
    assert found.values["train"] == pytest.approx(found.values["optimism"], abs=0.03)
    assert found.values["train"] > high


def _smooth(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(coordinates [V, 3], signals [V, n]) of a map on two spheres that changes smoothly from voxel to voxel."""
    rng = np.random.default_rng(seed)
    place = rng.normal(size=(120, 3))
    place /= np.linalg.norm(place, axis=1, keepdims=True)
    side = np.repeat([-1, 1], 60)[:, None]
    return 10 * place + side * np.array([40, 0, 0]), (place * [[1, 1, 1]]) @ rng.normal(size=(3, 50))


def test_the_spatial_null_is_of_maps_that_are_as_smooth() -> None:
    coordinates, signal = _smooth(0)
    _, other = _smooth(1)
    brain_like, alike = (
        np.corrcoef(signal),
        np.corrcoef(signal + 0.1 * np.random.default_rng(2).normal(size=signal.shape)),
    )
    null = rois.spatial_null(alike, brain_like, coordinates, 100, 0)
    # The map is the brain's: none of the rotated ones comes near.
    assert rois.consistency(alike, brain_like) > null.max()
    assert null.std() > 0
    np.testing.assert_array_equal(null, rois.spatial_null(alike, brain_like, coordinates, 100, 0))
    # Another smooth map is not more consistent than its own rotations.
    unrelated = np.corrcoef(np.random.default_rng(3).permutation(other))
    assert (
        rois.spatial_null(unrelated, brain_like, coordinates, 100, 0) >= rois.consistency(unrelated, brain_like)
    ).mean() > 0.02


def test_selectivity_is_a_share_of_the_brains() -> None:
    member = {"V1": np.array([1, 1, 0, 0, 0], bool), "FFA": np.array([0, 0, 1, 1, 0], bool)}
    brain_like = np.eye(5)
    brain_like[:2, :2] = brain_like[2:4, 2:4] = 0.5
    units = brain_like / 2
    pairs = rois.unlike(member)
    assert rois.selectivity(units, brain_like, pairs) == pytest.approx(0.5)
    assert rois.selectivity(units, -brain_like, pairs) is None
    assert rois.selectivity(units, brain_like, rois.unlike({})) is None


def test_voxels_that_do_not_vary_are_left_out(inputs: MetricInputs) -> None:
    predictions = inputs.predictions
    assert predictions is not None
    observed = predictions.observed.copy()
    observed[:, 3] = 1
    found = scored(replace(inputs, predictions=replace(predictions, observed=observed)))
    assert found.per_voxel is not None
    assert np.isnan(found.per_voxel[3])
    assert np.isfinite(list(found.values.values())).all()
    still = replace(predictions, observed=np.ones_like(observed))
    assert scored(replace(inputs, predictions=still)).not_applicable == "no voxel varies over the test split"


def test_correlations_without_variance_are_nan() -> None:
    one, other = np.array([[1.0, 1], [2, 1], [3, 1]]), np.array([[2.0, 5], [4, 6], [6, 7]])
    np.testing.assert_array_equal(metric.correlations(one, other), [1, np.nan])
