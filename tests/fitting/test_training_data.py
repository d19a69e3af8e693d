from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.preprocessing import StandardScaler

from brainbench import DataError, Responses
from brainbench.fitting import Standardisation, TokenReader, load_training_data, one_grid
from brainbench.fitting.standardisation import Moments
from brainbench.fitting.token_reader import stimulus_bytes

MakeFeatures = Callable[..., Any]


def make_responses(stimulus: list[int], split: list[str], voxels: int = 3) -> Responses:
    rng = np.random.default_rng(0)
    values = (rng.normal(size=(len(stimulus), voxels)) * 10 + 5).astype(np.float32)
    return Responses("s1", values, np.array(stimulus), np.array(split), "key")


def layers(count: int = 8, dtype: str = "float32") -> list[np.ndarray]:
    rng = np.random.default_rng(1)
    return [(rng.normal(size=(count, c, 2, 3)) * 3 + 7).astype(dtype) for c in (4, 6)]


def of(values: torch.Tensor, piece: int = 500) -> Standardisation:
    moments = Moments()
    for part in values.split(piece):
        moments.add(part)
    return Standardisation.of(moments)


def test_standardisation_agrees_with_sklearn() -> None:
    values = np.random.default_rng(0).normal(2, 5, (1300, 4))
    oracle = StandardScaler().fit(values)
    scale = of(torch.tensor(values))
    np.testing.assert_allclose(scale.apply(torch.tensor(values)).numpy(), oracle.transform(values), atol=1e-5)
    np.testing.assert_allclose(scale.undo(scale.apply(torch.tensor(values))).numpy(), values, atol=1e-4)


def test_moments_do_not_depend_on_the_pieces_and_stand_a_far_off_mean() -> None:
    values = torch.tensor(np.random.default_rng(0).normal(1e4, 1, (700, 3, 4)).astype(np.float32))
    moments = Moments()
    for part in (values[:1], values[1:1], values[1:400], values[400:]):
        moments.add(part)
    flat = values.double().reshape(-1, 4).numpy()
    np.testing.assert_allclose(moments.mean, flat.mean(0), rtol=1e-12)
    np.testing.assert_allclose(moments.sd, flat.std(0), rtol=1e-9)
    np.testing.assert_allclose(moments.variation, ((flat - flat.mean(0)) ** 2).sum(0), rtol=1e-9)


def test_constant_channels_become_zero_whatever_their_size() -> None:
    values = torch.tensor([[0.1, 3e4, 0.0], [0.1, 3e4, 1.0]], dtype=torch.float16)
    scale = of(values)
    assert scale.apply(values)[:, :2].abs().max() == 0
    assert scale.sd[:2].tolist() == [1, 1]


def test_tokens_are_standardised_by_the_train_images_local_and_global_apart(memory_features: MakeFeatures) -> None:
    local = layers()
    data = load_training_data(
        memory_features(local), make_responses([0, 2, 4, 6, 7], ["train"] * 3 + ["val", "test"]), ("local", "global")
    )
    held = data.tokens_of(np.array([0, 2, 4, 6]), "cpu")
    assert [tuple(t.shape) for t in held] == [(4, 7, 4), (4, 7, 6)]
    for tokens, stored in zip(held, local, strict=True):
        flat = stored[[0, 2, 4]].transpose(0, 2, 3, 1).reshape(-1, stored.shape[1])
        oracle = StandardScaler().fit(flat).transform(stored[6].reshape(stored.shape[1], -1).T)
        np.testing.assert_allclose(tokens[3, :-1].numpy(), oracle, atol=1e-4)
        pooled = stored.mean(axis=(2, 3))
        np.testing.assert_allclose(
            tokens[:, -1].numpy(), StandardScaler().fit(pooled[[0, 2, 4]]).transform(pooled[[0, 2, 4, 6]]), atol=1e-4
        )


@pytest.mark.parametrize("sources", [("local", "global"), ("global",)])
def test_a_reader_is_restored_from_its_parameters(memory_features: MakeFeatures, sources: Any) -> None:
    features, responses = memory_features(layers()), make_responses([0, 1, 2, 3], ["train", "train", "val", "val"])
    reader = load_training_data(features, responses, sources).reader
    # A file has them in an order of its own.
    again = TokenReader.restored(features.layers, dict(sorted(reader.parameters().items())))
    for one, other in zip(reader.read(features, np.arange(8)), again.read(features, np.arange(8)), strict=True):
        assert torch.equal(one, other)
    assert [layer.name for layer in again.layers] == list(features.layers)


def test_test_images_are_never_read_and_every_layer_once(memory_features: MakeFeatures) -> None:
    features = memory_features(layers())
    load_training_data(
        features, make_responses([5, 1, 7, 3, 0], ["train", "val", "test", "train", "test"]), ("local", "global")
    )
    assert features.rows_read == {1, 3, 5}
    assert features.reads == [1, 1]


def test_tokens_keep_the_type_they_are_stored_in(memory_features: MakeFeatures) -> None:
    data = load_training_data(
        memory_features(layers(dtype="float16")), make_responses([0, 1, 2], ["train", "train", "val"]), ("global",)
    )
    assert {t.dtype for t in data.held.layers} == {torch.float16}
    assert {t.dtype for t in data.tokens_of(np.array([0]), "cpu")} == {torch.float32}


def test_trials_of_one_stimulus_share_its_tokens(memory_features: MakeFeatures) -> None:
    responses = make_responses([4, 2, 4, 2, 6], ["train", "train", "train", "train", "val"])
    data = load_training_data(memory_features(layers()), responses, ("local",))
    assert data.held.stimuli.tolist() == [2, 4, 6]
    assert len(data.held.layers[0]) == 3
    (tokens, observed), *_ = islice(data.batches(4, 0, "cpu"), 1)
    by_trial = {tuple(o.tolist()): t for o, t in zip(observed, tokens[0], strict=True)}
    oracle = StandardScaler().fit(responses.values[:4])
    np.testing.assert_allclose(data.observed(np.arange(5)), oracle.transform(responses.values), atol=1e-5)
    for trial, stimulus in enumerate([4, 2, 4, 2]):
        seen = by_trial[tuple(data.observed(np.array([trial]))[0].tolist())]
        assert torch.equal(seen, data.tokens_of(np.array([stimulus]), "cpu")[0][0])


def test_responses_stay_where_they_are(memory_features: MakeFeatures, tmp_path: Path) -> None:
    responses = make_responses([0, 1, 2, 3], ["train", "train", "train", "val"])
    np.save(tmp_path / "values.npy", responses.values)
    on_disk = np.load(tmp_path / "values.npy", mmap_mode="r")
    mapped = load_training_data(memory_features(layers()), replace(responses, values=on_disk), ("local",))
    assert mapped.responses.values is on_disk
    held = load_training_data(memory_features(layers()), responses, ("local",))
    assert torch.equal(mapped.observed(np.array([3, 1])), held.observed(np.array([3, 1])))


def test_responses_in_many_blocks_have_one_scale(
    memory_features: MakeFeatures, monkeypatch: pytest.MonkeyPatch
) -> None:
    responses = make_responses([*range(8)], ["train"] * 5 + ["val"] * 3)
    whole = load_training_data(memory_features(layers()), responses, ("local",))
    monkeypatch.setattr("brainbench.fitting.response_reader._BLOCK_FIGURES", 6)
    blocks = load_training_data(memory_features(layers()), responses, ("local",))
    torch.testing.assert_close(blocks.units.mean, whole.units.mean, rtol=1e-6, atol=0)
    torch.testing.assert_close(blocks.units.sd, whole.units.sd, rtol=1e-6, atol=0)
    responses.values[7, 1] = np.nan
    with pytest.raises(DataError, match=r"1 of 3 voxels hold NaN"):
        load_training_data(memory_features(layers()), responses, ("local",))


@pytest.mark.parametrize("split", ["train", "val"])
def test_an_empty_split_is_refused(memory_features: MakeFeatures, split: str) -> None:
    other = {"train": "val", "val": "train"}[split]
    with pytest.raises(DataError, match=f"subject s1: the {split} split has no responses"):
        load_training_data(memory_features(layers()), make_responses([0, 1], [other, "test"]), ("local",))


def test_missing_responses_are_refused_but_not_in_the_test_split(memory_features: MakeFeatures) -> None:
    responses = make_responses([0, 1, 2], ["train", "val", "test"])
    responses.values[2] = np.nan
    load_training_data(memory_features(layers()), responses, ("local",))
    responses.values[1, 2] = np.inf
    with pytest.raises(DataError, match=r"1 of 3 voxels hold NaN or infinity .* the first is voxel 2; leave"):
        load_training_data(memory_features(layers()), responses, ("local",))


def test_tokens_that_are_not_finite_are_refused(memory_features: MakeFeatures) -> None:
    local = layers()
    local[1][0, 3, 1, 1] = np.inf
    with pytest.raises(DataError, match=r"layer 'block1': the local tokens .*dtype=float32"):
        load_training_data(memory_features(local), make_responses([0, 1, 2], ["train", "train", "val"]), ("local",))


@pytest.mark.parametrize("far", [np.nan, np.inf, 5e4], ids=str)
def test_val_tokens_that_their_numbers_cannot_hold_are_refused(memory_features: MakeFeatures, far: float) -> None:
    local = layers(dtype="float16")
    local[1][:, 3] = 1
    local[1][0, 3, 0, 0] = 1.01
    local[1][2, 3, 1, 1] = far
    with pytest.raises(
        DataError, match=r"layer 'block1': the tokens of image 2 hold NaN or infinity, or lie .*float32"
    ):
        load_training_data(memory_features(local), make_responses([0, 1, 2], ["train", "train", "val"]), ("local",))


def test_layers_with_unequal_grids_are_refused(memory_features: MakeFeatures) -> None:
    assert one_grid(memory_features(layers())) == (2, 3)
    local = [*layers(), np.zeros((8, 4, 3, 3), np.float32)]
    with pytest.raises(DataError, match=r"layer 'block2' has a 3 x 3 grid, layer 'block0' 2 x 3: .* grid 8"):
        one_grid(memory_features(local))


def test_layers_of_several_dtypes_take_what_each_takes(memory_features: MakeFeatures) -> None:
    local = [np.zeros((2, 3, 4, 5), np.float16), np.zeros((2, 7, 2, 2), np.float32)]
    assert stimulus_bytes(memory_features(local), ("local", "global"), 1) == 3 * 21 * 2 + 7 * 5 * 4
    assert stimulus_bytes(memory_features(local), ("global",), 0) == 3 * 2 + 7 * 4
