"""Accuracies agree with scikit-learn, and CKA with another way to compute it."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from sklearn.metrics import balanced_accuracy_score

from brainbench.builtin.metrics.layers import dependence
from brainbench.tuning.figures import accuracies, linear_cka, linear_probe, majority


def test_accuracies_are_scikit_learns() -> None:
    rng = np.random.default_rng(0)
    labels, said = rng.choice(4, 200, p=[0.7, 0.1, 0.1, 0.1]), rng.integers(0, 4, 200)
    assert accuracies(said, labels) == pytest.approx((np.mean(said == labels), balanced_accuracy_score(labels, said)))
    assert majority(labels) == pytest.approx((np.bincount(labels).max() / 200, 0.25))


def test_a_linear_probe_reads_what_is_linear() -> None:
    tokens = np.random.default_rng(0).normal(size=(200, 5))
    labels = (tokens[:, 0] + 3 * tokens[:, 1] > 0).astype(int)
    assert linear_probe(tokens[:100], labels[:100], tokens[100:], labels[100:])[0] > 0.85


def test_cka_is_that_of_the_products_of_columns_and_blind_to_rotations() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(60, 7)), rng.normal(size=(60, 4))
    y[:, 0] += x[:, 0]

    def hsic(a: np.ndarray, b: np.ndarray) -> float:
        return dependence(*(torch.from_numpy(one - one.mean(0)) for one in (a, b)))

    assert linear_cka(x, y) == pytest.approx(hsic(x, y) / math.sqrt(hsic(x, x) * hsic(y, y)), rel=1e-9)
    turned = x @ np.linalg.qr(rng.normal(size=(7, 7)))[0] * 3 + 5
    assert linear_cka(x, turned) == pytest.approx(1, abs=1e-9)
    assert abs(linear_cka(x, rng.normal(size=(60, 300)))) < 0.2
    assert math.isnan(linear_cka(x, np.ones((60, 2))))
