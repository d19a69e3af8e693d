from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from brainbench import square
from brainbench.backbones.preprocessing import CLIP_MEAN, CLIP_STD, IMAGENET_MEAN, IMAGENET_STD


def triangle_matrix(before: int, after: int) -> np.ndarray:
    """Antialiased bilinear resampling of one axis, from its definition: [after, before], rows sum to 1."""
    scale = before / after
    centres = (np.arange(after) + 0.5) * scale
    distance = np.abs(np.arange(before) + 0.5 - centres[:, None]) / max(scale, 1.0)
    weights = np.clip(1 - distance, 0, None)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


@pytest.mark.parametrize(("width", "height", "size"), [(60, 40, 16), (10, 90, 32), (16, 16, 16)])
def test_squashes_like_the_definition_of_bilinear(width: int, height: int, size: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    result = square(Image.fromarray(pixels), size, (0, 0, 0), (1, 1, 1))
    expected = np.einsum(
        "ih,jw,hwc->cij", triangle_matrix(height, size), triangle_matrix(width, size), pixels.astype(np.float64)
    )
    # PIL rounds to whole grey levels after each of its two passes.
    np.testing.assert_allclose(result.numpy() * 255, expected, atol=1.5)
    assert result.shape == (3, size, size)
    assert result.dtype == torch.float32


@pytest.mark.parametrize(("mean", "std"), [(IMAGENET_MEAN, IMAGENET_STD), (CLIP_MEAN, CLIP_STD)])
def test_normalises_each_channel(mean: tuple[float, ...], std: tuple[float, ...]) -> None:
    result = square(Image.new("RGB", (9, 5), (255, 0, 51)), 4, mean, std)
    for channel, value in enumerate((1.0, 0.0, 0.2)):
        torch.testing.assert_close(result[channel], torch.full((4, 4), (value - mean[channel]) / std[channel]))


def test_reads_any_mode_as_rgb() -> None:
    grey = square(Image.new("L", (8, 8), 100), 8, (0, 0, 0), (1, 1, 1))
    torch.testing.assert_close(grey, torch.full((3, 8, 8), 100 / 255))


def test_keeps_the_periphery() -> None:
    wide = Image.new("RGB", (200, 50))
    wide.paste((255, 255, 255), (0, 0, 20, 50))
    assert square(wide, 20, (0, 0, 0), (1, 1, 1))[:, :, 0].min() == 1
