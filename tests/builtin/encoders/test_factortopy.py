from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import oracle
import pytest
import torch
from scipy.ndimage import gaussian_filter
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score
from torch import Tensor

from brainbench import DataError, Encoder, FitContext, Fitted, Responses
from brainbench.builtin.encoders import cards
from brainbench.builtin.encoders.factortopy import VARIANTS, FactorTopyModel
from brainbench.fitting import FAST, PAPER, Recipe, blurred
from brainbench.fitting.closed_form import PENALTIES, Folds, image_folds, place_shares

MakeFeatures = Callable[..., Any]
CARDS = {card.name: card for card in cards.FACTORTOPY}
FACTORTOPY, NO_TOPOLOGY = CARDS["factortopy"], CARDS["factortopy/no-topology"]
CONTEXT = FitContext(0, "cpu")


def load(card: Any = FACTORTOPY, **settings: Any) -> Encoder:
    encoder: Encoder = card.loader(settings=card.resolve_settings(settings))
    return encoder


def model_and_double(
    variant: str, channels: Sequence[int], voxels: int, recipe: Recipe, *, separate: bool = False
) -> tuple[FactorTopyModel, dict[str, Tensor], Tensor]:
    """A model in float32 whose parameters were drawn at random, the same parameters in float64, and its coordinates."""
    generator = torch.Generator().manual_seed(voxels)
    coordinates = torch.randn(voxels, 3, generator=generator) * 40
    model = FactorTopyModel(
        channels, (4, 6), voxels, coordinates if VARIANTS[variant].topology else None, recipe, generator,
        VARIANTS[variant], separate=separate,
    )  # fmt: skip
    for name, parameter in model.named_parameters():
        spread = 0.02 if not VARIANTS[variant].topology and name.startswith("selectors") else 0.12
        # Wider ones saturate a selector, whose gradient float32 then no longer resolves.
        parameter.data.copy_(torch.randn(parameter.shape, generator=generator) * spread)
    for name, parameter in model.named_parameters():
        if name == "selectors.space.4.bias":
            parameter.data *= 20  # some places lie outside the image's outermost patches
    return model, {n: q.detach().double().requires_grad_() for n, q in model.named_parameters()}, coordinates.double()


@pytest.mark.parametrize("separate", [False, True])
@pytest.mark.parametrize(
    ("channels", "images", "voxels", "recipe"),
    [
        ((5, 3, 8), 4, 90, FAST),
        ((5, 3, 8), 1, 90, replace(PAPER, scale_penalty=0.5)),
        ((4,), 3, 9, FAST),
        ((5, 3), 4, 1, FAST),
    ],
)
@pytest.mark.parametrize("variant", VARIANTS)
def test_responses_loss_and_every_gradient_against_listing_1_in_float64(
    variant: str, channels: tuple[int, ...], images: int, voxels: int, recipe: Recipe, separate: bool
) -> None:
    model, parameters, coordinates = model_and_double(
        variant, channels, voxels, replace(recipe, dim=7), separate=separate
    )
    generator = torch.Generator().manual_seed(5)
    tokens = [torch.randn(images, 25, c, generator=generator) for c in channels]
    observed = torch.randn(images, voxels, generator=generator)
    expected, penalty = oracle.factortopy(
        parameters,
        coordinates,
        [t.double() for t in tokens],
        (4, 6),
        mean=recipe.reduce == "mean",
        scale_penalty=recipe.scale_penalty,
    )
    # Responses are in standard deviations.
    assert (model(tokens) - expected).abs().max() <= 1e-6
    names = list(parameters)
    theirs = oracle.smooth_l1(expected - observed) + 0.07 * penalty
    mine = model.loss(tokens, observed, 0.07)
    assert mine.item() == pytest.approx(theirs.item(), rel=1e-6)
    gradients = torch.autograd.grad(mine, [dict(model.named_parameters())[n] for n in names])
    truths = dict(zip(names, torch.autograd.grad(theirs, [parameters[n] for n in names]), strict=True))
    for name, gradient in zip(names, gradients, strict=True):
        # A bias of one number is a sum that may cancel: it is measured with the weights of its layer.
        largest = max(truths[n].abs().max() for n in (name, name.replace(".bias", ".weight")))
        assert (gradient - truths[name]).abs().max() <= 2e-5 * largest, name


@pytest.mark.slow
@pytest.mark.parametrize("name", VARIANTS)
def test_a_variant_has_what_its_card_says(name: str, memory_features: MakeFeatures) -> None:
    features, responses, _ = planted(memory_features, voxels=10, images=100)
    fitted: Any = load(CARDS[name], steps=3).fit(features, responses, CONTEXT)
    found = {kind for kind in ("space", "layer", "scale", "channel") if getattr(fitted.selectors, kind) is not None}
    assert found == set(CARDS[name].selectors)
    assert fitted.selectors.layers == features.layers
    trained = {key.split(".")[2] for key in fitted.parameters() if key.startswith("model.selectors.")}
    assert trained - {"coordinates"} == found - {"channel"}


@pytest.mark.slow
def test_several_places_start_apart_and_learn_apart(memory_features: MakeFeatures) -> None:
    features, responses, _ = planted(memory_features, voxels=10, images=100)
    for name in ("factortopy/multi-sample", "factortopy"):
        fitted: Any = load(CARDS[name], steps=20).fit(features, responses, CONTEXT)
        space, _, _ = fitted.model.selectors()
        assert space.shape == (10, 3 if name.endswith("sample") else 1, 2)
        assert space.unique(dim=1).shape[1] == space.shape[1]


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


@pytest.mark.slow
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


@pytest.mark.slow
def test_the_paper_s_recipe_finds_planted_selectors_too(memory_features: MakeFeatures) -> None:
    features, responses, truth = planted(memory_features, voxels=60, layers=4)
    # As printed it takes tens of thousands of steps; penalty and blur are cut to these few.
    encoder = load(recipe="paper", steps=600, decay=300, blur_steps=300)
    fitted: Any = encoder.fit(features, responses, CONTEXT)
    assert correlation(fitted, truth) > 0.75
    # Voxels that settle before there are weights to select for end at one scale, and far from their places.
    assert np.abs(fitted.selectors.space - truth["space"]).mean() < 0.13
    assert 0.1 < np.median(fitted.selectors.scale) < 0.7
    test = responses.rows("test")
    assert r2_score(responses.values[test], fitted.predict(features, test)) > 0.35


@pytest.mark.slow
def test_free_selectors_find_the_layers_too_and_say_nothing(memory_features: MakeFeatures) -> None:
    features, responses, truth = planted(memory_features, noise=0.1)
    fitted: Any = load(NO_TOPOLOGY, steps=150, batch_size=32, dim=16).fit(features, responses, CONTEXT)
    assert correlation(fitted, truth) > 0.8
    assert not any("coordinates" in note for note in fitted.notes)
    assert not any("coordinates" in name for name in fitted.parameters())


def test_without_coordinates_selectors_are_free_and_a_note_says_so(memory_features: MakeFeatures) -> None:
    features, responses, _ = planted(memory_features, voxels=20, images=40)
    blind = load(steps=5).fit(features, replace(responses, coordinates=None), CONTEXT)
    free = load(NO_TOPOLOGY, steps=5).fit(features, responses, CONTEXT)
    assert blind.notes[len(free.notes) :] == (
        "no coordinates: the selectors are free for every voxel, as in factortopy/no-topology",
    )
    assert same(blind, free)


@pytest.mark.parametrize("reduce", ["mean", "sum"])
@pytest.mark.parametrize("dim", [4, 128])
def test_an_untrained_prediction_has_the_stated_sd_however_channels_are_gathered(reduce: Any, dim: int) -> None:
    generator = torch.Generator().manual_seed(0)
    recipe = replace(FAST, dim=dim, reduce=reduce)
    model = FactorTopyModel([9], (4, 4), 2000, torch.randn(2000, 3), recipe, generator, VARIANTS["factortopy/no-space"])
    # At the start a voxel reads local and global tokens half and half: twins here.
    tokens = torch.randn(500, 1, 9, generator=generator).expand(500, 17, 9)
    assert model([tokens]).std().item() == pytest.approx(0.25, rel=0.3)


def same(one: Fitted, other: Fitted) -> bool:
    first, second = one.parameters(), other.parameters()
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.slow
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


@pytest.mark.slow
@pytest.mark.parametrize("name", VARIANTS)
def test_channels_in_closed_form_predict_better_than_learned_ones(name: str, memory_features: MakeFeatures) -> None:
    features, responses, _ = planted(memory_features, voxels=30, images=200)
    test = responses.rows("test")
    found: dict[str, Any] = {
        kind: load(CARDS[name], steps=60, channels=kind).fit(features, responses, CONTEXT)
        for kind in ("closed", "gradient")
    }
    closed, gradient = (r2_score(responses.values[test], fit.predict(features, test)) for fit in found.values())
    assert closed > gradient + 0.05
    # The selectors are the same.
    for kind in CARDS[name].selectors:
        np.testing.assert_array_equal(*(getattr(fit.selectors, kind) for fit in found.values()))
    # Of these few voxels, aligned channels summed over layers, or all channels of all layers and the surround, if there is one.
    parameters = found["closed"].parameters()
    surround = [tensor.shape for name, tensor in parameters.items() if "surround" in name]
    components = surround[0][1] if surround else 0
    assert parameters["model.solved.weights"].shape in [(30, 16), (30, 6 * 12 + components)]
    assert surround == ([(4 * 4 * 12, components)] * 6 if components else [])
    assert not any("solved" in key for key in found["gradient"].parameters())


def test_few_principal_channels_can_be_asked_for(memory_features: MakeFeatures) -> None:
    features, responses, _ = planted(memory_features, voxels=10, images=60)
    # Three steps align nothing: layers are read side by side.
    fitted: Any = load(steps=3, principal=4).fit(features, responses, CONTEXT)
    parameters = fitted.parameters()
    # As many components as the images differ in; stored is what each voxel reads of them.
    images = len(responses.stimulus) - len(responses.rows("test"))
    beside = f"voxels also read {images - 1} components of the whole image, as the val split is predicted better"
    assert beside in fitted.notes
    assert parameters["model.solved.surround.basis_5"].shape[1] == 10
    assert parameters["model.solved.weights"].shape == (10, 6 * 4 + 10)
    assert parameters["model.solved.kept.basis_5"].shape == (12, 4)
    assert "channels in closed form: the 4 leading principal channels of every layer that has more" in fitted.notes


@pytest.mark.slow
def test_channels_that_were_stopped_are_gone_on_with_to_the_same_bytes(
    memory_features: MakeFeatures, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    features, responses, _ = planted(memory_features, voxels=40, images=60)
    # One voxel a block.
    monkeypatch.setattr("brainbench.fitting.closed_form.solver._FIGURES", 1)
    encoder = load(steps=3)
    whole = encoder.fit(features, responses, CONTEXT)

    def stop(done: int, total: int, figure: str) -> None:
        if figure.startswith("channels") and done > 15:
            raise KeyboardInterrupt

    monkeypatch.setattr("brainbench.fitting.fit_store._REST_S", -1.0)
    monkeypatch.setattr("brainbench.fitting.fit_store._REST_COSTS", -1.0)
    with pytest.raises(KeyboardInterrupt, match=r"the fit is kept at (1[6-9]|[23]\d) of 40 voxels"):
        encoder.fit(features, responses, FitContext(0, "cpu", stop, tmp_path))
    seen = list[str]()
    goes_on = FitContext(0, "cpu", lambda done, total, figure: seen.append(figure), tmp_path)
    assert same(encoder.fit(features, responses, goes_on), whole)
    first = next(figure for figure in seen if figure.startswith("channels"))
    assert int(first.split()[2]) > 16


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
    assert not any("solved" in key for key in parameters)
    assert fitted.history[-1]["step"] == 3


@pytest.mark.parametrize("broken", [np.full((20, 3), np.nan), np.zeros((20, 2)), np.zeros((19, 3))])
def test_bad_coordinates_are_refused(memory_features: MakeFeatures, broken: np.ndarray) -> None:
    features, responses, _ = planted(memory_features, voxels=20, images=40)
    with pytest.raises(
        DataError, match=r"subject 1: coordinates must be 20 x 3 finite numbers, found .* factortopy/no-topology"
    ):
        load(steps=2).fit(features, replace(responses, coordinates=broken), CONTEXT)


@pytest.mark.slow
def test_what_a_voxel_reads_far_from_its_place_is_read_as_the_surround(memory_features: MakeFeatures) -> None:
    rng = np.random.default_rng(0)
    images, voxels = 250, 8
    features = memory_features([rng.normal(size=(images, c, 8, 8)).astype(np.float32) for c in (4, 6)])
    # No place reaches both corners.
    ends = slice(0, 2), slice(-2, None)
    corners = [features.local_tokens(layer)[:, :, end, end].mean((2, 3)) for layer in (0, 1) for end in ends]
    read = np.concatenate(corners, axis=1)
    read = read @ rng.normal(size=(read.shape[1], voxels))
    noise = 0.3 * rng.normal(size=read.shape)
    responses = Responses(
        "1",
        (read / read.std(axis=0) + noise).astype(np.float32),
        np.arange(images),
        np.repeat(["train", "val", "test"], [150, 50, 50]),
        "corners",
    )
    fitted: Any = load(steps=3).fit(features, responses, CONTEXT)
    assert any("components of the whole image" in note for note in fitted.notes)
    test = responses.rows("test")
    predicted = fitted.predict(features, test)
    assert r2_score(responses.values[test], predicted) > 0.6
    parameters = fitted.parameters()
    again = load(steps=3).restore(parameters, features, "cpu")
    np.testing.assert_array_equal(again.predict(features, test), predicted)

    # Written out: a ridge on what is read of places and of 4 x 4 parts of the grid, to the same mean square.
    solved = fitted.model.solved
    tokens = fitted.reader.read(features, np.arange(images))
    selection = fitted.model.selectors()
    coarse = [layer[:, :64].double().numpy().reshape(images, 4, 2, 4, 2, -1).mean(axis=(2, 4)) for layer in tokens]
    parts = [layer.reshape(images, -1) for layer in coarse]
    surround = np.concatenate([part / np.sqrt(part[:200].var(axis=0).sum()) for part in parts], axis=1)
    scale = surround[:200].var(axis=0).sum()
    for voxel in range(voxels):
        own = [
            blurred((layer / layer.shape[2] ** 0.5)[None], (8, 8), float(solved.width))[0].double().numpy()
            for layer in tokens
        ]
        shares = place_shares((8, 8), selection)[voxel].detach().numpy()
        weights = selection.layer[voxel].detach().double().numpy()
        places = np.concatenate(
            [np.sqrt(w) * np.einsum("npc,p->nc", x, shares) for w, x in zip(weights, own, strict=True)], axis=1
        )
        beside = surround * np.sqrt(places[:200].var(axis=0).sum() / scale)
        x = np.concatenate([places, beside], axis=1)
        y = fitted.units.apply(torch.from_numpy(responses.values))[:200, voxel].double().numpy()
        losses, predictions = ridges(x[:200], y, image_folds(200, 0), x[test])
        expected = predictions[int(np.argmin(losses))]
        ours = fitted.units.apply(torch.from_numpy(predicted))[:, voxel].double().numpy()
        np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-5)


def ridges(x: np.ndarray, y: np.ndarray, folds: Folds, asked: np.ndarray) -> tuple[list[float], list[np.ndarray]]:
    """For every penalty (squared error when held out, predictions for ``asked``), by scikit-learn in float64."""
    tau = x.var(axis=0).sum()
    losses, predictions = [], []
    for penalty in PENALTIES:
        missed = 0.0
        for fold in range(folds.judged):
            held = folds.fold.numpy() == fold
            missed += float(np.square(y[held] - Ridge(penalty * tau).fit(x[~held], y[~held]).predict(x[held])).sum())
        losses.append(missed)
        predictions.append(Ridge(penalty * tau).fit(x, y).predict(asked))
    return losses, predictions
