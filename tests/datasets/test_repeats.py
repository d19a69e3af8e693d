from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from brainbench import DataError
from brainbench.datasets import ArraySource, ZScored, ceiling_of_ncsnr, ncsnr_of_repeats, repeats

WHERE = Path("responses.npy")


def source(*arrays: np.ndarray) -> ArraySource:
    return ArraySource("key", WHERE, arrays)


def simulated(stimuli: int, repeats: int, signal: np.ndarray, noise: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    means = rng.normal(0, signal, (stimuli, len(signal)))
    shown = rng.permutation(np.repeat(np.arange(stimuli), repeats))
    return (means[shown] + rng.normal(0, noise, (len(shown), len(signal))) + 100).astype(np.float32), shown


def reference(values: np.ndarray, stimulus: np.ndarray) -> np.ndarray:
    frame = pd.DataFrame(values.astype(np.float64))
    noise = frame.groupby(stimulus).var(ddof=1).dropna().mean()
    return np.asarray(np.sqrt((frame.var(ddof=1) - noise).clip(lower=0) / noise))


def test_ncsnr_recovers_known_signal_and_noise() -> None:
    signal, noise = np.array([0.0, 0.5, 1.0, 2.0]), np.array([1.0, 1.0, 2.0, 0.5])
    values, stimulus = simulated(4000, 3, signal, noise)
    found = ncsnr_of_repeats(source(values), np.arange(len(values)), stimulus)
    np.testing.assert_allclose(found[1:], (signal / noise)[1:], rtol=0.03)
    assert found[0] < 0.15
    # What a mean of three trials can be explained of: its correlation, squared, with the signal that was put in.
    ceiling = ceiling_of_ncsnr(found, np.full(10, 3))
    np.testing.assert_allclose(ceiling, signal**2 / (signal**2 + noise**2 / 3), atol=0.015)


@pytest.mark.parametrize("held", [1, 20, 10**6])
def test_ncsnr_equals_pandas_however_many_means_are_held(monkeypatch: pytest.MonkeyPatch, held: int) -> None:
    monkeypatch.setattr(repeats, "_HELD", held)
    rng = np.random.default_rng(1)
    stimulus = rng.integers(0, 25, 80)  # some once, some often
    values = rng.normal(stimulus[:, None] / 9, 1, (80, 7)).astype(np.float32)
    rows = np.flatnonzero(rng.random(80) > 0.2)
    for one in (source(values), source(values[:, :3], values[:, 3:])):
        found = ncsnr_of_repeats(one, rows, stimulus)
        np.testing.assert_allclose(found, reference(values[rows], stimulus[rows]), rtol=1e-6, atol=1e-9)


def test_ncsnr_follows_rows_that_come_session_by_session() -> None:
    rng = np.random.default_rng(2)
    stimulus, session = rng.integers(0, 10, 60), np.tile(["b", "a", "c"], 20)
    values = rng.normal(stimulus[:, None], 2, (60, 4)).astype(np.float32)
    scored = (
        pd.DataFrame(values.astype(np.float64)).groupby(session).transform(lambda x: (x - x.mean()) / x.std(ddof=0))
    )
    found = ncsnr_of_repeats(ZScored(source(values), session), np.arange(60), stimulus)
    np.testing.assert_allclose(found, reference(scored.to_numpy(), stimulus), rtol=1e-5)


def test_voxels_without_noise_signal_or_figures() -> None:
    stimulus = np.array([0, 0, 1, 1])
    values = np.array([[5, 1, np.nan, 1], [5, 1, 1, -1], [5, 2, 1, 1], [5, 2, 1, -1]], np.float32)
    found = ncsnr_of_repeats(source(values), np.arange(4), stimulus)
    np.testing.assert_array_equal(found, [0, np.inf, np.nan, 0])
    np.testing.assert_array_equal(ceiling_of_ncsnr(found, np.ones(1)), [0, 1, np.nan, 0])


def test_the_ceiling_is_that_of_the_manual() -> None:
    ncsnr, trials = np.array([0.3, 1.0, 2.5]), np.array([1] * 5 + [2] * 7 + [3] * 11)
    manual = ncsnr**2 / (ncsnr**2 + (5 / 1 + 7 / 2 + 11 / 3) / (5 + 7 + 11))
    np.testing.assert_allclose(ceiling_of_ncsnr(ncsnr, trials), manual)
    np.testing.assert_allclose(ceiling_of_ncsnr(ncsnr, np.full(4, 3)), ncsnr**2 / (ncsnr**2 + 1 / 3))


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(DataError, match="responses.npy: no stimulus was shown twice"):
        ncsnr_of_repeats(source(np.ones((4, 2))), np.array([0, 1, 3]), np.array([0, 1, 1, 2]))
    with pytest.raises(DataError, match="ncsnr is -0.5 in a voxel"):
        ceiling_of_ncsnr(np.array([0.1, -0.5]), np.ones(3))
    with pytest.raises(DataError, match="mean of one trial or more"):
        ceiling_of_ncsnr(np.array([0.1]), np.array([1, 0]))
