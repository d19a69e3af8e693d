"""Ridge for voxels that read the same, against explicit regressions in float64 and against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from ridges import explicit

from brainbench.fitting.closed_form import image_folds, solve_shared


def problem(images: int, channels: int, voxels: int = 5) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What is read, responses and trials."""
    rng = np.random.default_rng(images + channels)
    read = rng.normal(3, 2, (images, channels)) * np.logspace(0, -1, channels)
    signal = (read - 3) @ rng.normal(size=(channels, voxels))
    noise = np.logspace(-1, 1.5, voxels) * signal.std(axis=0)
    return read, signal + noise * rng.normal(size=signal.shape) + 7, rng.integers(1, 4, images)


@pytest.mark.parametrize(("images", "channels"), [(80, 6), (30, 70), (40, 1)])
def test_equal_to_explicit_ridges_with_penalties_by_the_same_folds(images: int, channels: int) -> None:
    read, responses, trials = problem(images, channels)
    folds = image_folds(images, seed=1)
    weights, constant, penalty = explicit(read, responses, trials, folds)
    found = solve_shared(torch.from_numpy(read), torch.from_numpy(responses), torch.from_numpy(trials), folds)
    assert len(set(penalty.tolist())) > 1
    np.testing.assert_array_equal(found.penalty.numpy(), penalty)
    np.testing.assert_allclose(found.weights.numpy(), weights, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(found.constant.numpy(), constant, rtol=1e-7)


def test_float32_of_large_problems_is_near_float64(monkeypatch: pytest.MonkeyPatch) -> None:
    read, responses, trials = (torch.from_numpy(part) for part in problem(60, 90))
    folds = image_folds(60, seed=1)
    exact = solve_shared(read, responses, trials, folds)
    monkeypatch.setattr("brainbench.fitting.closed_form.shared._DOUBLE", 0.0)
    rough = solve_shared(read, responses, trials, folds)
    assert rough.weights.dtype == torch.float32
    mine, theirs = (read.double() @ f.weights.double().t() + f.constant.double() for f in (rough, exact))
    assert (mine - theirs).abs().max() < 1e-3 * responses.std()


def test_the_same_bytes_in_any_number_of_threads_and_blocks_of_voxels(monkeypatch: pytest.MonkeyPatch) -> None:
    read, responses, trials = (torch.from_numpy(part) for part in problem(200, 40, voxels=7))
    folds = image_folds(200, seed=1)
    one = solve_shared(read, responses, trials, folds)
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(threads + 1)
        two = solve_shared(read, responses, trials, folds)
        assert torch.get_num_threads() == threads + 1
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(one.weights, two.weights)
    monkeypatch.setattr("brainbench.fitting.closed_form.shared._VOXELS", 3)
    blocked = solve_shared(read, responses, trials, folds)
    torch.testing.assert_close(blocked.weights, one.weights, rtol=1e-10, atol=1e-12)


def test_constant_channels_and_two_images_give_the_mean() -> None:
    flat = solve_shared(torch.ones(9, 4), torch.arange(18.0).view(9, 2), torch.ones(9), image_folds(9, 0))
    torch.testing.assert_close(flat.weights, torch.zeros_like(flat.weights))
    torch.testing.assert_close(flat.constant.float(), torch.tensor([8.0, 9.0]))
    # Nothing can be held out: the largest penalty.
    few = solve_shared(torch.tensor([[0.0], [1.0]]), torch.tensor([[2.0], [4.0]]), torch.ones(2), image_folds(2, 0))
    torch.testing.assert_close(few.constant.float(), torch.tensor([3.0]), atol=1e-3, rtol=0)
    assert abs(float(few.weights)) < 1e-3
