from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.preprocessing import StandardScaler

from brainbench import DataError, Responses
from brainbench.fitting import Standardisation, load_training_data, one_grid

MakeFeatures = Callable[..., Any]


def make_responses(stimulus: list[int], split: list[str], voxels: int = 3) -> Responses:
    rng = np.random.default_rng(0)
    values = (rng.normal(size=(len(stimulus), voxels)) * 10 + 5).astype(np.float32)
    return Responses("s1", values, np.array(stimulus), np.array(split), "key")


def layers(count: int = 8, dtype: str = "float32") -> list[np.ndarray]:
    rng = np.random.default_rng(1)
    return [(rng.normal(size=(count, c, 2, 3)) * 3 + 7).astype(dtype) for c in (4, 6)]


def test_standardisation_agrees_with_sklearn() -> None:
    values = np.random.default_rng(0).normal(2, 5, (1300, 4))
    oracle = StandardScaler().fit(values)
    scale = Standardisation.of(torch.tensor(values))
    np.testing.assert_allclose(scale.apply(torch.tensor(values)).numpy(), oracle.transform(values), atol=1e-5)
    np.testing.assert_allclose(scale.undo(scale.apply(torch.tensor(values))).numpy(), values, atol=1e-4)


def test_constant_channels_become_zero_whatever_their_size() -> None:
    values = torch.tensor([[0.1, 3e4, 0.0], [0.1, 3e4, 1.0]], dtype=torch.float16)
    scale = Standardisation.of(values)
    assert scale.apply(values)[:, :2].abs().max() == 0
    assert scale.sd[:2].tolist() == [1, 1]


def test_tokens_are_standardised_by_the_train_images_local_and_global_apart(memory_features: MakeFeatures) -> None:
    local = layers()
    data = load_training_data(
        memory_features(local), make_responses([0, 2, 4, 6, 7], ["train"] * 3 + ["val", "test"]), ("local", "global")
    )
    assert [tuple(t.shape) for t in data.tokens] == [(4, 7, 4), (4, 7, 6)]
    for tokens, stored in zip(data.tokens, local, strict=True):
        flat = stored[[0, 2, 4]].transpose(0, 2, 3, 1).reshape(-1, stored.shape[1])
        oracle = StandardScaler().fit(flat).transform(stored[6].reshape(stored.shape[1], -1).T)
        np.testing.assert_allclose(tokens[3, :-1].numpy(), oracle, atol=1e-4)
        pooled = stored.mean(axis=(2, 3))
        np.testing.assert_allclose(
            tokens[:, -1].numpy(), StandardScaler().fit(pooled[[0, 2, 4]]).transform(pooled[[0, 2, 4, 6]]), atol=1e-4
        )


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
    assert {t.dtype for t in data.tokens} == {torch.float16}
    assert {t.dtype for t in data.tokens_of(torch.tensor([0]), "cpu")} == {torch.float32}


def test_trials_of_one_stimulus_share_its_tokens(memory_features: MakeFeatures) -> None:
    responses = make_responses([4, 2, 4, 2, 6], ["train", "train", "train", "train", "val"])
    data = load_training_data(memory_features(layers()), responses, ("local",))
    assert len(data.tokens[0]) == 3
    assert data.stimulus.tolist() == [1, 0, 1, 0, 2]
    oracle = StandardScaler().fit(responses.values[:4])
    np.testing.assert_allclose(data.responses.numpy(), oracle.transform(responses.values), atol=1e-5)


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


def test_layers_with_unequal_grids_are_refused(memory_features: MakeFeatures) -> None:
    assert one_grid(memory_features(layers())) == (2, 3)
    local = [*layers(), np.zeros((8, 4, 3, 3), np.float32)]
    with pytest.raises(DataError, match=r"layer 'block2' has a 3 x 3 grid, layer 'block0' 2 x 3: .* grid 8"):
        one_grid(memory_features(local))
