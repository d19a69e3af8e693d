from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from sklearn.metrics import r2_score
from torch import Tensor
from torch.func import functional_call

from brainbench import DataError, Encoder, FitContext, Fitted, Responses
from brainbench.builtin.encoders.cards import FACTORTOPY, NO_TOPOLOGY
from brainbench.builtin.encoders.factortopy import FactorTopyModel
from brainbench.fitting import FAST, PAPER, Recipe

MakeFeatures = Callable[..., Any]
CONTEXT = FitContext(0, "cpu")


def load(card: Any = FACTORTOPY, **settings: Any) -> Encoder:
    encoder: Encoder = card.loader(settings=card.resolve_settings(settings))
    return encoder


def listing_1(model: FactorTopyModel, tokens: Sequence[Tensor], parameters: dict[str, Tensor], mean: bool) -> Tensor:
    """Listing 1 in float64 from the parameters alone; local tokens by ``grid_sample``, one layer after another."""
    coordinates = parameters["selectors.coordinates"]
    box = torch.stack([coordinates.amin(0), coordinates.amax(0)])
    # One voxel has a box without an extent: it lies at the origin.
    scaled = (coordinates - box.mean(0)) * 100 / (box[1] - box[0]).max().clamp_min(1e-30)
    angles = scaled[:, :, None] * torch.logspace(0, -3, 32, dtype=torch.float64)
    encoding = torch.cat([angles.sin(), angles.cos()], 2).flatten(1)

    def mlp(name: str) -> Tensor:
        x = encoding
        for index in (0, 2, 4):
            x = x @ parameters[f"selectors.{name}.{index}.weight"].t() + parameters[f"selectors.{name}.{index}.bias"]
            x = torch.nn.functional.gelu(x) if index < 4 else x
        return x

    space, layer, scale = mlp("space").tanh(), mlp("layer").softmax(1), mlp("scale").sigmoid()
    v = torch.zeros(())
    for index, places in enumerate(tokens):
        aligned = places @ parameters[f"align.layers.{index}"].t()
        images, _, dim = aligned.shape
        local = aligned[:, :-1].transpose(1, 2).reshape(images, dim, *model.grid)
        points = space[None, :, None].expand(images, -1, 1, 2)
        read = torch.nn.functional.grid_sample(local, points, align_corners=False)[..., 0].transpose(1, 2)
        v = v + layer[:, index, None] * ((1 - scale) * read + scale * aligned[:, None, -1])
    weighted = v * parameters["channel"]
    return (weighted.mean(-1) if mean else weighted.sum(-1)) + parameters["constant"]


@pytest.mark.parametrize(
    ("channels", "images", "voxels", "recipe"),
    [((5, 3, 8), 4, 9, FAST), ((5, 3, 8), 1, 9, PAPER), ((4,), 3, 9, FAST), ((5, 3), 4, 1, FAST)],
)
def test_model_and_every_gradient_against_listing_1(
    channels: tuple[int, ...], images: int, voxels: int, recipe: Recipe
) -> None:
    generator = torch.Generator().manual_seed(voxels)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    coordinates = draw(voxels, 3) * 40
    model = FactorTopyModel(channels, (4, 6), voxels, coordinates, replace(recipe, dim=7), generator).double()
    parameters = {name: draw(*p.shape) * 0.3 for name, p in model.named_parameters()}
    parameters["selectors.space.4.bias"] *= 10
    tokens = [draw(images, 4 * 6 + 1, c) for c in channels]
    inputs = [p.requires_grad_() for p in parameters.values()]
    weight = draw(images, voxels)
    oracle = listing_1(model, tokens, parameters | {"selectors.coordinates": coordinates}, mean=recipe.reduce == "mean")
    measured = functional_call(model, parameters, (tokens,))
    torch.testing.assert_close(measured, oracle, rtol=1e-9, atol=1e-10)
    gradients = torch.autograd.grad((measured * weight).sum(), inputs, retain_graph=True)
    for name, mine, other in zip(
        parameters, gradients, torch.autograd.grad((oracle * weight).sum(), inputs), strict=True
    ):
        torch.testing.assert_close(mine, other, rtol=1e-7, atol=1e-9, msg=name)


# Planted brains: voxels on a sheet, layer and scale rising along its first axis, space following both.


def planted(
    make: MakeFeatures, *, voxels: int = 300, images: int = 500, layers: int = 6, noise: float = 0.5
) -> tuple[Any, Responses, Any]:
    """Responses made through known selectors from smooth random tokens whose neighbouring layers correlate by 0.7."""
    rng = np.random.default_rng(0)
    local: list[np.ndarray] = []
    for _ in range(layers):
        fresh = gaussian_filter(rng.normal(size=(images, 12, 8, 8)), (0, 0, 1.2, 1.2))
        fresh /= fresh.std()
        local.append(fresh if not local else 0.7 * local[-1] + np.sqrt(1 - 0.7**2) * fresh)
    glob = [rng.normal(size=(images, 12)) for _ in range(layers)]
    sheet = rng.uniform(-1, 1, (voxels, 2))
    height = (sheet[:, 0] + 1) / 2
    layer = np.exp(-0.5 * ((np.arange(layers) - height[:, None] * (layers - 1)) / 0.6) ** 2)
    layer /= layer.sum(1, keepdims=True)
    truth = {
        "layer": layer,
        "space": np.stack([0.8 * sheet[:, 1], 0.8 * np.sin(3 * sheet[:, 0])], 1),
        "scale": 0.1 + 0.6 * height,
    }
    points = torch.tensor(truth["space"])[None, :, None].expand(images, -1, -1, -1)
    weights = rng.normal(size=(voxels, 12))
    values = np.zeros((images, voxels))
    for index in range(layers):
        read = torch.nn.functional.grid_sample(torch.tensor(local[index]), points, align_corners=False)[..., 0].numpy()
        mixed = (1 - truth["scale"]) * read + truth["scale"] * glob[index][:, :, None]
        values += layer[:, index] * np.einsum("ndv,vd->nv", mixed, weights)
    values += noise * values.std(0) * rng.normal(size=values.shape)
    split = np.where(np.arange(images) % 10 == 0, "val", np.where(np.arange(images) % 10 == 1, "test", "train"))
    coordinates = np.c_[sheet * 40, 10 * np.cos(sheet[:, 1])]
    features = make([t.astype(np.float16) for t in local], [t.astype(np.float16) for t in glob])
    return (
        features,
        Responses("1", values.astype(np.float32) * 7 + 100, np.arange(images), split, "key", coordinates=coordinates),
        truth,
    )


def correlation(fitted: Any, truth: Any) -> float:
    index = np.arange(truth["layer"].shape[1])
    return float(np.corrcoef(fitted.selectors.layer @ index, truth["layer"] @ index)[0, 1])


def test_planted_selectors_are_found(memory_features: MakeFeatures) -> None:
    features, responses, truth = planted(memory_features)
    fitted: Any = load(steps=150, batch_size=32, dim=16).fit(features, responses, CONTEXT)
    chosen = fitted.selectors
    assert correlation(fitted, truth) > 0.9
    for axis in (0, 1):
        assert np.corrcoef(chosen.space[:, axis], truth["space"][:, axis])[0, 1] > 0.8
    assert np.corrcoef(chosen.scale, truth["scale"])[0, 1] > 0.5
    test = responses.rows("test")
    assert r2_score(responses.values[test], fitted.predict(features, test)) > 0.3


def test_free_selectors_find_the_layers_too_and_say_nothing(memory_features: MakeFeatures) -> None:
    features, responses, truth = planted(memory_features, noise=0.1)
    fitted: Any = load(NO_TOPOLOGY, steps=150, batch_size=32, dim=16).fit(features, responses, CONTEXT)
    assert correlation(fitted, truth) > 0.8
    assert fitted.notes == ()
    assert not any("coordinates" in name for name in fitted.parameters())


def test_without_coordinates_selectors_are_free_and_a_note_says_so(memory_features: MakeFeatures) -> None:
    features, responses, _ = planted(memory_features, voxels=20, images=40)
    blind = load(steps=5).fit(features, replace(responses, coordinates=None), CONTEXT)
    free = load(NO_TOPOLOGY, steps=5).fit(features, responses, CONTEXT)
    assert blind.notes == ("no coordinates: the selectors are free for every voxel, as in factortopy/no-topology",)
    assert same(blind, free)


def same(one: Fitted, other: Fitted) -> bool:
    first, second = one.parameters(), other.parameters()
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def test_same_seed_same_bytes(memory_features: MakeFeatures) -> None:
    features, responses, _ = planted(memory_features, voxels=20, images=60)
    encoder = load(steps=12)
    first = encoder.fit(features, responses, CONTEXT)
    torch.rand(3)
    assert same(first, encoder.fit(features, responses, CONTEXT))
    assert not same(first, encoder.fit(features, responses, FitContext(1, "cpu")))


def test_single_trials_train_like_any_rows(memory_features: MakeFeatures) -> None:
    features, responses, _ = planted(memory_features, voxels=20, images=60)
    order = np.random.default_rng(0).permutation(np.repeat(np.arange(60), 3))
    trials = Responses(
        "1", responses.values[order], order, responses.split[order], "key", coordinates=responses.coordinates
    )
    fitted: Any = load(steps=10).fit(features, trials, CONTEXT)
    assert features.rows_read == set(np.flatnonzero(responses.split != "test").tolist())
    assert fitted.predict(features, trials.stimulus[trials.rows("test")]).shape == ((trials.split == "test").sum(), 20)


def test_selectors_have_the_contract_s_shapes(memory_features: MakeFeatures) -> None:
    features, responses, _ = planted(memory_features, voxels=20, images=40)
    fitted = load(steps=4, dim=5).fit(features, responses, CONTEXT)
    chosen = fitted.selectors
    assert isinstance(fitted, Fitted)
    assert chosen is not None
    assert chosen.layer is not None
    assert chosen.layers == features.layers
    shapes = {"layer": (20, 6), "space": (20, 2), "scale": (20,), "channel": (20, 5)}
    assert {name: getattr(chosen, name).shape for name in shapes} == shapes
    assert {getattr(chosen, name).dtype for name in shapes} == {np.dtype("float32")}
    assert set(FACTORTOPY.selectors) == set(shapes)
    np.testing.assert_allclose(chosen.layer.sum(1), 1, rtol=1e-5)


def test_layers_of_unequal_width_and_the_paper_recipe_fit(memory_features: MakeFeatures) -> None:
    rng = np.random.default_rng(0)
    features = memory_features([rng.normal(size=(40, c, 8, 8)).astype(np.float32) for c in (3, 9, 4)])
    split = np.repeat(["train", "val"], [30, 10])
    responses = Responses(
        "1",
        rng.normal(size=(40, 6)).astype(np.float32),
        np.arange(40),
        split,
        "key",
        coordinates=rng.normal(size=(6, 3)),
    )
    fitted = load(recipe="paper", steps=3).fit(features, responses, CONTEXT)
    parameters = fitted.parameters()
    assert [tuple(parameters[f"model.align.layers.{i}"].shape) for i in range(3)] == [(128, 3), (128, 9), (128, 4)]
    assert fitted.history[-1]["step"] == 3


@pytest.mark.parametrize("broken", [np.full((20, 3), np.nan), np.zeros((20, 2)), np.zeros((19, 3))])
def test_bad_coordinates_are_refused(memory_features: MakeFeatures, broken: np.ndarray) -> None:
    features, responses, _ = planted(memory_features, voxels=20, images=40)
    with pytest.raises(
        DataError, match=r"subject 1: coordinates must be 20 x 3 finite numbers, found .* factortopy/no-topology"
    ):
        load(steps=2).fit(features, replace(responses, coordinates=broken), CONTEXT)
