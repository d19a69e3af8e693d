from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from brainbench.fitting import blurred


def draw(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize("sd", [0.5, 1.5])
def test_it_is_scipys_gaussian_divided_by_what_of_it_lies_inside(sd: float) -> None:
    tokens = draw(2, 3, 5 * 8 + 1, 4)
    measured = blurred(tokens, (5, 8), sd)
    local = tokens[:, :, :-1].reshape(2, 3, 5, 8, 4).numpy()
    axes = (0, 0, sd, sd, 0)
    inside = gaussian_filter(np.ones_like(local), axes, mode="constant", truncate=20)
    expected = gaussian_filter(local, axes, mode="constant", truncate=20) / inside
    np.testing.assert_allclose(measured[:, :, :-1].reshape(2, 3, 5, 8, 4), expected, rtol=1e-9)
    assert (measured[:, :, -1] == tokens[:, :, -1]).all()


def test_without_blur_or_places_nothing_happens() -> None:
    tokens = draw(2, 3, 41, 4)
    assert blurred(tokens, (5, 8), 0.0) is tokens
    assert blurred(tokens[:, :, :2], (1, 1), 3.0).shape == (2, 3, 2, 4)
    torch.testing.assert_close(blurred(tokens, (5, 8), 1e-3), tokens)


def test_a_constant_image_stays_as_it_is() -> None:
    constant = draw(2, 3, 1, 4).expand(-1, -1, 41, -1)
    torch.testing.assert_close(blurred(constant, (5, 8), 2.0), constant.contiguous())
