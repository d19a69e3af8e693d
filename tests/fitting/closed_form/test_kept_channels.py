from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from brainbench.fitting.closed_form import PENALTIES, image_folds, principal_channels
from brainbench.fitting.closed_form.finish import affordable
from brainbench.fitting.closed_form.solver import operations


def test_the_leading_principal_channels_are_kept() -> None:
    generator = torch.Generator().manual_seed(0)
    wide = torch.randn(50, 5, 7, generator=generator) * torch.arange(1, 8)
    wide = wide - wide.mean(dim=(0, 1))
    narrow = torch.randn(50, 5, 2, generator=generator)
    batches = [[wide[:20], narrow[:20]], [wide[20:], narrow[20:]]]
    kept = principal_channels((7, 2), 3, lambda: batches)
    found = kept([wide, narrow])
    assert (kept.kept, found.shape) == ((3, 2), (50, 5, 5))
    expected = PCA(3).fit_transform(wide.flatten(0, 1).double().numpy()) / np.sqrt(7)
    for ours, theirs in zip(found[..., :3].flatten(0, 1).t().numpy(), expected.T, strict=True):
        np.testing.assert_allclose(ours * np.sign(ours @ theirs), theirs, atol=1e-4)
    torch.testing.assert_close(found[..., 3:], narrow / 2**0.5)
    assert principal_channels((7, 2), 7, lambda: batches).kept == (7, 2)


def test_as_many_channels_are_kept_as_are_affordable() -> None:
    assert affordable((384, 20), lambda width: width <= 404) == 384
    assert affordable((384, 20), lambda width: width <= 403) == 256
    assert affordable((384, 20), lambda width: width <= 60) == 32
    assert affordable((384, 20), lambda width: False) == 1


def test_operations_are_counted() -> None:
    # About half of all penalties are tried in each judged fold, p^3 / 3 each; the dual form is cheaper with more channels.
    folds = image_folds(1000, 0)
    primal, dual = operations(1000, 5, 768, folds)
    assert primal == pytest.approx(3 * len(PENALTIES) / 2 * 768**3 / 3, rel=0.25)
    assert primal < dual
    primal, dual = operations(1000, 5, 4608, folds)
    assert dual < primal
