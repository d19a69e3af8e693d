"""The encoders on brains that read known units."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from brainbench_sae import saelens
from brainbench_sae.autoencoder import Autoencoder
from brainbench_sae.encoder import FittedSae
from brainbench_sae.plugin import ENCODERS
from memory import memory_features
from sparse_brains import Sparse, brain, sparse

from brainbench import DataError, Encoder, FitContext, Fitted, Responses

CARD = {card.name: card for card in ENCODERS}
SMALL = {"rate": 3, "steps": 20, "batch": 64, "k": 3}
EXPLAINED = 0.4


def load(name: str = "sae", **settings: Any) -> Any:
    given = {key: value for key, value in (SMALL | settings).items() if key in {s.name for s in CARD[name].settings}}
    encoder = CARD[name].loader(settings=CARD[name].resolve_settings(given))
    assert isinstance(encoder, Encoder)
    return encoder


def fit(
    data: Sparse, responses: Responses, name: str = "sae", context: FitContext | None = None, **settings: Any
) -> Any:
    fitted = load(name, **settings).fit(data.features, responses, context or FitContext(0, "cpu"))
    assert isinstance(fitted, Fitted)
    return fitted


def test_similarity(fitted: FittedSae, data: Sparse, responses: Responses) -> np.ndarray:
    rows = responses.rows("test")
    predicted = fitted.predict(data.features, rows)
    return np.array([np.corrcoef(p, y)[0, 1] for p, y in zip(predicted.T, responses.values[rows].T, strict=True)])


test_similarity.__test__ = False  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def data() -> Sparse:
    return sparse()


@pytest.fixture
def known(data: Sparse, tmp_path: Path) -> str:
    """The folder with the autoencoders whose units are the known features."""
    for name, directions in zip(data.features.layers, data.directions, strict=True):
        made = Autoencoder(directions.shape[1], len(directions))
        with torch.no_grad():
            made.encoder.copy_(torch.from_numpy(directions))
            made.bias.fill_(-0.5)
        saelens.write(made, tmp_path / "known" / name)
    return str(tmp_path / "known")


@pytest.fixture(scope="module")
def planted(data: Sparse) -> tuple[np.ndarray, Responses]:
    """(unit [V] over both layers, responses of the voxels that read it)."""
    units = np.random.default_rng(3).permutation(80)[:60]
    return units, brain(data.series.reshape(80, -1)[units], EXPLAINED)


def test_voxels_are_given_the_units_that_they_read(
    data: Sparse, known: str, planted: tuple[np.ndarray, Responses]
) -> None:
    units, responses = planted
    fitted = fit(data, responses, weights=known)
    found = fitted.dictionary
    assert (found.layer * 40 + found.unit == units).mean() >= 0.9
    assert fitted.selectors.layer.argmax(axis=1).tolist() == found.layer.tolist()
    rows = responses.rows("test")
    true = data.series.reshape(80, -1)[units][:, rows]
    ceiling = [np.corrcoef(a, y)[0, 1] for a, y in zip(true, responses.values[rows].T, strict=True)]
    measured = test_similarity(fitted, data, responses)
    assert measured.mean() == pytest.approx(np.mean(ceiling), abs=0.02)
    # The similarity of the choice is the correlation over train and val.
    seen = np.flatnonzero(responses.split != "test")
    chosen = data.series.reshape(80, -1)[found.layer * 40 + found.unit][:, seen]
    expected = [np.corrcoef(a, y)[0, 1] for a, y in zip(chosen, responses.values[seen].T, strict=True)]
    np.testing.assert_allclose(found.similarity, expected, atol=1e-4)
    # So is the reverse map: every unit's most similar voxel.
    correlations = np.corrcoef(data.series.reshape(80, -1)[:, seen], responses.values[seen].T)[:80, 80:]
    np.testing.assert_array_equal(np.concatenate(found.nearest), correlations.argmax(axis=1))
    np.testing.assert_allclose(found.highest[:, 1], correlations[40:].max(axis=0), atol=1e-4)
    np.testing.assert_allclose(found.mean[:, 0], correlations[:40].mean(axis=0), atol=1e-4)


def test_predictions_are_the_least_squares_of_the_unit(
    data: Sparse, known: str, planted: tuple[np.ndarray, Responses]
) -> None:
    _, responses = planted
    fitted = fit(data, responses, weights=known)
    seen, voxel = np.flatnonzero(responses.split != "test"), 5
    series = data.series[fitted.dictionary.layer[voxel], fitted.dictionary.unit[voxel]]
    slope, intercept = np.polyfit(series[seen], responses.values[seen, voxel], 1)
    np.testing.assert_allclose(
        fitted.predict(data.features, np.arange(10))[:, voxel], intercept + slope * series[:10], atol=1e-3
    )


def test_without_any_relation_nothing_is_predicted(data: Sparse, known: str) -> None:
    responses = brain(np.random.default_rng(5).normal(size=(60, 600)), EXPLAINED)
    fitted = fit(data, responses, weights=known)
    chance = np.sqrt(2 * np.log(80) / 400)
    assert fitted.dictionary.similarity.mean() == pytest.approx(chance, abs=0.04)
    measured = test_similarity(fitted, data, responses)
    assert abs(measured.mean()) < 3 * measured.std() / np.sqrt(len(measured))


def test_one_to_one_gives_no_unit_twice(data: Sparse, known: str) -> None:
    responses = brain(data.series[0, np.repeat([2, 7], 15)], EXPLAINED)
    shared = fit(data, responses, weights=known).dictionary
    assert len({*zip(shared.layer, shared.unit, strict=True)}) == 2
    own = fit(data, responses, weights=known, assign="one-to-one", candidates=80).dictionary
    assert len({*zip(own.layer, own.unit, strict=True)}) == 30
    with pytest.raises(DataError, match="30 voxels have .* different units among their 1 best, too few for one each"):
        fit(data, responses, weights=known, assign="one-to-one", candidates=1)


def test_trials_of_an_image_count_as_trials(data: Sparse, known: str, planted: tuple[np.ndarray, Responses]) -> None:
    _, responses = planted
    rng = np.random.default_rng(0)
    rows = rng.permutation(np.repeat(np.arange(600), rng.integers(1, 4, 600)))
    noisy = responses.values[rows] + rng.normal(0, 1, (len(rows), 60)).astype(np.float32)
    trials = replace(responses, values=noisy, stimulus=rows, split=responses.split[rows])
    found = fit(data, trials, weights=known).dictionary
    seen, voxel = np.flatnonzero(trials.split != "test"), 3
    series = data.series[found.layer[voxel], found.unit[voxel]][rows[seen]]
    slope, intercept = np.polyfit(series, noisy[seen, voxel], 1)
    assert (found.slope[voxel], found.intercept[voxel]) == pytest.approx((slope, intercept), rel=1e-3, abs=1e-3)


@pytest.mark.parametrize("kind", ["tied", "topk", "batchtopk"])
def test_a_restored_fit_predicts_the_same(kind: str, data: Sparse, planted: tuple[np.ndarray, Responses]) -> None:
    fitted = fit(data, planted[1], kind=kind, pool="max" if kind == "tied" else "mean")
    again = load(kind=kind).restore(fitted.parameters(), data.features, "cpu")
    rows = np.arange(20)
    assert np.array_equal(again.predict(data.features, rows), fitted.predict(data.features, rows))
    with pytest.raises(DataError, match="a fit to 2 layers, these features have 1 of 16 channels"):
        load().restore(fitted.parameters(), memory_features([data.features.local_tokens(0)]), "cpu")
    with pytest.raises(DataError, match="the parameters of another encoder; give those of a fit of sae"):
        load().restore({"weights": torch.zeros(2)}, data.features, "cpu")


def test_training_lowers_what_is_not_explained(data: Sparse, planted: tuple[np.ndarray, Responses]) -> None:
    before = fit(data, planted[1], "sae/untrained").dictionary.quality[:, 0]
    after = fit(data, planted[1], steps=150, lr=0.01).dictionary.quality[:, 0]
    assert (after < 0.5 * before).all()
    channels = fit(data, planted[1], "sae/neuron").dictionary
    np.testing.assert_allclose(channels.quality[:, 0], 0, atol=1e-10)
    assert channels.unit.max() < 16


def test_subjects_share_autoencoders_and_seeds_do_not(
    data: Sparse, planted: tuple[np.ndarray, Responses], tmp_path: Path
) -> None:
    _, responses = planted

    def trained(seed: int, other: Responses = responses) -> np.ndarray:
        fitted = fit(data, other, context=FitContext(seed, "cpu", cache=tmp_path / "cache"))
        return np.asarray(fitted.readers[0].model.centre)

    def folders() -> int:
        return len([*(tmp_path / "cache").glob("*/cfg.json")])

    first = trained(0)
    assert folders() == 2
    trained(0, replace(responses, subject="2", values=responses.values[:, ::-1].copy(), key="other"))
    assert folders() == 2
    assert not np.array_equal(trained(1), first)
    assert folders() == 4
    # Without a cache the same seed gives the same bytes.
    assert np.array_equal(fit(data, responses).readers[0].model.centre, first)
    split = np.where(responses.split == "val", "train", responses.split)
    trained(0, replace(responses, split=split))
    assert folders() == 6
    assert not [*(tmp_path / "cache").glob("*.states/*")]


def test_a_damaged_autoencoder_is_trained_again(
    data: Sparse, planted: tuple[np.ndarray, Responses], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    context = FitContext(0, "cpu", cache=tmp_path)
    first = fit(data, planted[1], context=context)
    next(tmp_path.glob("*/sae_weights.safetensors")).write_bytes(b"damaged")
    with caplog.at_level(logging.WARNING):
        again = fit(data, planted[1], context=context)
    assert "is damaged or was not completed; it is made again" in caplog.text
    assert np.array_equal(again.dictionary.slope, first.dictionary.slope)


def test_a_training_that_is_stopped_resumes_to_the_same_bytes(
    data: Sparse, planted: tuple[np.ndarray, Responses], tmp_path: Path
) -> None:
    def stop(done: int, total: int, text: str) -> None:
        if done == 13:
            raise KeyboardInterrupt

    said: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        fit(data, planted[1], context=FitContext(0, "cpu", stop, cache=tmp_path))
    resumed = fit(data, planted[1], context=FitContext(0, "cpu", message=said.append, cache=tmp_path))
    assert said == ["resumes after step 13 of 20"]
    whole = fit(data, planted[1])
    for name, tensor in whole.parameters().items():
        assert torch.equal(resumed.parameters()[name], tensor), name


def test_bad_input_is_told_in_one_line(data: Sparse, known: str, planted: tuple[np.ndarray, Responses]) -> None:
    _, responses = planted
    tokens = [data.features.local_tokens(layer).copy() for layer in range(2)]
    tokens[1][3, 0, 0, 0] = np.nan
    broken = replace(data, features=memory_features(tokens))
    with pytest.raises(DataError, match="layer 'block1': the tokens of image 3 hold NaN or infinity"):
        fit(broken, responses)
    values = responses.values.copy()
    values[0, 7] = np.inf
    with pytest.raises(DataError, match="subject 1: 1 of 60 voxels hold NaN or infinity .*, the first is voxel 7"):
        fit(data, replace(responses, values=values))
    wide = replace(data, features=memory_features([np.tile(layer, (1, 2, 1, 1)) for layer in np.nan_to_num(tokens)]))
    with pytest.raises(DataError, match="an autoencoder of 16 channels, and layer 'block0' has 32"):
        fit(wide, responses, weights=known)
    with pytest.raises(
        DataError, match=r"no autoencoder of layer 'block0', which would be in block0/; there are: none"
    ):
        fit(data, responses, weights=f"{known}/block0")
    for layer in data.features.layers:
        made = saelens.read(Path(known) / layer)
        with torch.no_grad():
            made.bias.fill_(-1000)
        saelens.write(made, Path(known) / layer)
    with pytest.raises(DataError, match="all 80 units of 2 layers are dead: .*; lower sae.l1 or raise sae.steps"):
        fit(data, responses, weights=known)


def test_blocks_do_not_show(
    data: Sparse, known: str, planted: tuple[np.ndarray, Responses], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = fit(data, planted[1], weights=known)
    monkeypatch.setattr("brainbench_sae.series._FIGURES", 1000)
    monkeypatch.setattr("brainbench_sae.similarity._FIGURES", 600)
    monkeypatch.setattr("brainbench_sae.tokens.CHUNK", 7)
    monkeypatch.setattr("brainbench_sae.responses._BLOCK", 500)
    blocks = fit(data, planted[1], weights=known)
    assert np.array_equal(blocks.dictionary.unit, whole.dictionary.unit)
    np.testing.assert_allclose(
        blocks.predict(data.features, np.arange(9)), whole.predict(data.features, np.arange(9)), atol=1e-5
    )


def test_the_estimate_holds_responses_series_and_autoencoders() -> None:
    sizes = {"images": 9000, "test": 1000, "voxels": 7600, "layers": 12, "channels": 768}
    memory = CARD["sae"].memory
    assert memory is not None
    tied = memory(**sizes, settings=CARD["sae"].resolve_settings({}))
    assert 9000 * (7600 + 12288) * 4 < tied < 8e9
    assert memory(**sizes, settings=CARD["sae"].resolve_settings({"kind": "topk"})) > tied
