from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge
from torch import Tensor

from brainbench.fitting import Selection
from brainbench.fitting.closed_form import PENALTIES, Folds, Problem, Solution, image_folds, place_shares, solve, solver
from brainbench.fitting.closed_form.penalties import best
from brainbench.fitting.closed_form.places import groups
from brainbench.fitting.closed_form.primal import search

GRID = (3, 4)
KEPT = (5, 2, 1)


def problem(
    images: int = 60,
    voxels: int = 12,
    samples: int = 1,
    *,
    seed: int = 0,
    repeats: bool = True,
    kept: Sequence[int] = KEPT,
) -> Problem:
    """Voxels that read tokens with a mean of their own at every place, as trained networks have."""
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randn(images, 13, sum(kept), generator=generator) + torch.randn(13, sum(kept), generator=generator)
    selection = Selection(
        torch.rand(voxels, samples, 2, generator=generator) * 2 - 1,
        torch.rand(voxels, len(kept), generator=generator).softmax(dim=1),
        torch.rand(voxels, generator=generator),
    )
    trials = torch.randint(1, 4, (images,), generator=generator) if repeats else torch.ones(images)
    shares = place_shares(GRID, selection)
    signal = torch.einsum("npc,vp->nv", tokens.double(), shares) / sum(kept) ** 0.5
    noise = torch.randn(images, voxels, generator=generator) * torch.linspace(0.1, 3, voxels)
    return Problem(
        tokens, kept, (signal + noise).float(), trials.double(), shares, selection.layer, image_folds(images, seed)
    )


def oracle(given: Problem) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(predictions [n, V], numbers of the penalties [V], squared error when held out [V, penalties]), by scikit-learn in float64."""
    y, c = (t.double().numpy() for t in (given.responses, given.trials))
    predicted, chosen, losses = np.empty_like(y), [], []
    for v in range(y.shape[1]):
        x = reads(given)[v].numpy()
        tau = np.sum(c[:, None] * (x - np.average(x, axis=0, weights=c)) ** 2) / c.sum()
        loss = np.zeros(len(PENALTIES))
        for fold in range(given.folds.judged):
            held = given.folds.fold.numpy() == fold
            for number, g in enumerate(PENALTIES):
                fit = Ridge(g * tau).fit(x[~held], y[~held, v], c[~held])
                loss[number] += c[held] @ (y[held, v] - fit.predict(x[held])) ** 2
        chosen.append(int(loss.argmin()))
        losses.append(loss)
        predicted[:, v] = Ridge(PENALTIES[chosen[-1]] * tau).fit(x, y[:, v], c).predict(x)
    return predicted, np.array(chosen), np.array(losses)


def reads(given: Problem) -> Tensor:
    """What every voxel reads of every image, [V, n, p] or, of layers summed, [V, n, D]."""
    layer = given.layer.double().repeat_interleave(torch.tensor(given.kept), dim=1)
    read = torch.einsum("npc,vp->vnc", given.tokens.double(), given.shares) * layer[:, None]
    return read.view(*read.shape[:2], len(given.kept), -1).sum(dim=2) if given.summed else read


def predictions(given: Problem, found: Solution) -> np.ndarray:
    predicted = torch.einsum("vnc,vc->nv", reads(given), found.weights.double()) + found.constant.double()
    return predicted.numpy()


def forced(monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    costs = {"primal": (0.0, 1.0), "dual": (1.0, 0.0)}[form]
    monkeypatch.setattr(solver, "operations", lambda *sizes: costs)


@pytest.mark.slow
@pytest.mark.parametrize("samples", [1, 3])
@pytest.mark.parametrize("images", [60, 7])
@pytest.mark.parametrize("form", ["primal", "dual", "summed"])
def test_predictions_and_penalties_are_those_of_an_explicit_ridge(
    form: str, images: int, samples: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if form == "summed":
        given = replace(problem(images, samples=samples, kept=(4, 4, 4)), summed=True)
    else:
        forced(monkeypatch, form)
        given = problem(images, samples=samples)
    expected, penalties, losses = oracle(given)
    found = solve(given)
    np.testing.assert_array_equal(found.penalty, penalties)
    assert len(set(penalties.tolist())) > 2
    np.testing.assert_allclose(predictions(given, found), expected, atol=1e-5)
    np.testing.assert_allclose(found.missed, losses[range(len(losses)), penalties], rtol=1e-5)


@pytest.mark.slow
def test_the_same_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(solver, "_DOUBLE", 0.0)
    for form in ("primal", "dual"):
        forced(monkeypatch, form)
        given = problem()
        np.testing.assert_allclose(predictions(given, solve(given)), oracle(given)[0], atol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("form", ["primal", "dual"])
def test_any_number_of_threads_and_any_stop_give_the_same_bytes(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    forced(monkeypatch, form)
    monkeypatch.setattr(solver, "_FIGURES", 6 * 2 * 64)
    given, had = problem(voxels=40), list[Any]()
    expected = solve(given, ready=lambda voxels, parts: had.append((voxels, parts)))
    assert len(had) > 5
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        again = solve(given)
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)
    told = list[Tensor]()
    resumed = solve(given, done=had[:3], ready=lambda voxels, parts: told.append(voxels))
    assert torch.cat(told).tolist() == torch.cat([voxels for voxels, _ in had[3:]]).tolist()
    for found in (again, resumed):
        for ours, theirs in zip(found.parts(), expected.parts(), strict=True):
            assert torch.equal(ours, theirs)


@pytest.mark.parametrize("form", ["primal", "dual"])
def test_what_cannot_be_fitted_gets_the_mean_response(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    forced(monkeypatch, form)
    still = problem(voxels=3)
    still.tokens[:] = still.tokens[:1]  # identical images
    found = solve(still)
    np.testing.assert_allclose(
        predictions(still, found),
        np.broadcast_to(np.average(still.responses, axis=0, weights=still.trials), (60, 3)),
        atol=1e-6,
    )
    # Constant responses, channels that are copies of one another, a constant channel: finite, and no worse than the mean.
    odd = problem(voxels=3)
    odd.responses[:, 0] = 1.5
    odd.tokens[:, :, 1], odd.tokens[:, :, 2] = odd.tokens[:, :, 0], 4.0
    predicted = predictions(odd, solve(odd))
    np.testing.assert_allclose(predicted[:, 0], 1.5, atol=1e-6)
    np.testing.assert_allclose(predicted, oracle(odd)[0], atol=1e-5)


@pytest.mark.parametrize("images", [1, 2, 3, 4])
@pytest.mark.parametrize("form", ["primal", "dual"])
def test_hardly_any_images(form: str, images: int, monkeypatch: pytest.MonkeyPatch) -> None:
    forced(monkeypatch, form)
    given = problem(images, voxels=4)
    found = solve(given)
    assert all(part.isfinite().all() for part in found.parts())
    if images < 3:
        assert found.penalty.tolist() == [len(PENALTIES) - 1] * 4
        mean = np.average(given.responses, axis=0, weights=given.trials)
        np.testing.assert_allclose(predictions(given, found), np.broadcast_to(mean, (images, 4)), atol=1e-3)


def test_folds_hold_out_every_image_once_or_enough_of_them() -> None:
    few = image_folds(23, 0)
    assert few.judged == 5
    assert sorted(torch.bincount(few.fold).tolist()) == [4, 4, 5, 5, 5]
    assert image_folds(3, 0).fold.unique().tolist() == [0, 1, 2]
    many = image_folds(4000, 0)
    assert (many.judged, int((many.fold < many.judged).sum())) == (1, 800)
    assert image_folds(1000, 0).judged == 3
    assert not torch.equal(image_folds(23, 1).fold, few.fold)
    with pytest.raises(ValueError, match="6 folds are to be judged, there are 5"):
        Folds(few.fold, 6)


def test_the_least_loss_is_found_without_trying_all_penalties() -> None:
    rng = np.random.default_rng(0)
    # Losses that fall, then rise, at any pace; the last ones only fall, only rise, or are all alike.
    least = np.concatenate([rng.integers(0, 15, 300), [14, 0, 14]])
    steps = rng.uniform(0.001, 1, (303, 15)) ** 3
    losses = np.abs(np.cumsum(steps, axis=1) - np.cumsum(steps, axis=1)[range(303), least][:, None])
    losses[-1] = 1.0
    tried = list[Tensor]()

    def missed(some: Tensor, numbers: Tensor) -> Tensor:
        tried.append(some)
        return torch.from_numpy(losses)[some, numbers]

    found = search(missed, 303, 15, torch.zeros((), dtype=torch.float64))
    assert best(found).tolist() == least.tolist()
    assert len(torch.cat(tried)) < 9 * 303
    # Each penalty once.
    assert int(found.isfinite().sum()) == len(torch.cat(tried))


def test_places_hold_the_bilinear_weights_of_the_read_out() -> None:
    space = torch.tensor([[[0.0, 0.0]], [[-1.0, -1.0]], [[0.75, 1.0]]])
    shares = place_shares((2, 4), Selection(space, torch.ones(3, 1), torch.tensor([0.0, 0.5, 1.0])))
    np.testing.assert_allclose(shares[0], [0, 0.25, 0.25, 0, 0, 0.25, 0.25, 0, 0], atol=1e-12)
    np.testing.assert_allclose(shares[1], [0.125, 0, 0, 0, 0, 0, 0, 0, 0.5], atol=1e-12)
    np.testing.assert_allclose(shares[2], [0, 0, 0, 0, 0, 0, 0, 0, 1], atol=1e-12)
    found = list(groups(torch.cat([shares, shares, 0 * shares[:1]]), 1))
    assert sorted(int(group.voxels) for group in found) == list(range(7))
    assert {tuple(group.places.tolist()) for group in found} == {(1, 2, 5, 6), (0, 8), (8,), (0,)}
