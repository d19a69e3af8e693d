from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.ndimage import correlate
from torch import Tensor

from brainbench import Backbone, Weights, WeightsError
from brainbench.builtin.backbones.cards import PIXELS
from brainbench.builtin.backbones.pixels import contrast, energy, gabors, gaussian

LAYERS = ("grey", "colour", "gabor3", "gabor6", "gabor12", "gabor24", "contrast")


def load(**settings: Any) -> Any:
    return PIXELS.loader(weights=Weights("release"), settings=PIXELS.resolve_settings(settings))


def grating(wavelength: float, degrees: float, phase: float = 0.0, amplitude: float = 0.5) -> Tensor:
    y, x = np.mgrid[:64, :64]
    along = x * np.cos(np.radians(degrees)) + y * np.sin(np.radians(degrees))
    return torch.from_numpy(amplitude * np.cos(2 * np.pi * along / wavelength + phase)).float()[None, None]


def test_is_the_backbone_of_its_card() -> None:
    backbone = load()
    tokens = backbone.tokens(torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0)))
    assert isinstance(load(), Backbone)
    assert backbone.module is None
    assert PIXELS.control
    assert tuple(backbone.layers) == LAYERS
    assert len(LAYERS) == PIXELS.layers
    assert [t.shape[1:] for t in tokens.local_tokens] == [(c, 16, 16) for c in (1, 3, 8, 8, 8, 8, 3)]
    assert max(t.shape[1] for t in tokens.local_tokens) == PIXELS.width
    for local, glob in zip(tokens.local_tokens, tokens.global_tokens, strict=True):
        torch.testing.assert_close(glob, local.mean(dim=(2, 3)))


def test_grey_and_colour_are_block_averages() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    backbone = load(preproc="native")
    tokens = backbone.tokens(backbone.preprocess(Image.fromarray(pixels))[None])
    blocks = pixels.reshape(16, 4, 16, 4, 3).mean(axis=(1, 3)) / 255
    np.testing.assert_allclose(tokens.local_tokens[1][0].permute(1, 2, 0), blocks, atol=1e-6)
    np.testing.assert_allclose(tokens.local_tokens[0][0, 0], blocks @ [0.299, 0.587, 0.114], atol=1e-6)


def test_preproc_chooses_the_statistics() -> None:
    image = Image.new("RGB", (30, 20), (255, 0, 0))
    assert load(preproc="native").preprocess(image)[:, 0, 0].tolist() == [1, 0, 0]
    torch.testing.assert_close(
        load().preprocess(image)[:, 0, 0], torch.tensor([2.2489, -2.0357, -1.8044]), atol=1e-4, rtol=0
    )


@pytest.mark.parametrize(("layer", "wavelength"), [(2, 3), (3, 6), (4, 12), (5, 24)])
@pytest.mark.parametrize("orientation", range(8))
def test_gratings_find_their_filter(layer: int, wavelength: int, orientation: int) -> None:
    image = grating(wavelength, orientation * 22.5, phase=1.0).expand(-1, 3, -1, -1)
    tokens = load().tokens(image)
    # Middle of the image: where the mirrored border is out of reach of all but the coarsest filters.
    at_centre = [t[0, :, 6:10, 6:10].mean(dim=(1, 2)) for t in tokens.local_tokens[2:6]]
    assert int(at_centre[layer - 2].argmax()) == orientation
    assert int(torch.stack([energies.max() for energies in at_centre]).argmax()) == layer - 2
    if wavelength < 24:
        assert float(at_centre[layer - 2].max()) == pytest.approx(0.5, rel=0.1)


@pytest.mark.parametrize("wavelength", [3, 6, 12])
def test_energy_does_not_depend_on_phase(wavelength: int) -> None:
    filters = gabors(wavelength, 1)
    energies = torch.stack([energy(grating(wavelength, 45, phase), filters, 1)[0, 2, 32, 32] for phase in (0, 1, 2, 3)])
    torch.testing.assert_close(energies, energies.mean().expand(4), rtol=0.02, atol=0)


@pytest.mark.parametrize(("wavelength", "stride"), [(3, 1), (6, 2), (12, 4), (24, 4)])
def test_energy_equals_scipy_in_float64(wavelength: int, stride: int) -> None:
    grey = torch.randn(1, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    measured = energy(grey, gabors(wavelength, stride), stride)[0, 3]
    sigma, radius = wavelength / 2, int(np.ceil(2.5 * wavelength / 2))
    offsets = np.arange(-radius, radius + stride) - (stride - 1) / 2
    y, x = np.meshgrid(offsets, offsets, indexing="ij")
    window = np.exp(-(x**2 + y**2) / (2 * sigma**2))
    window /= window.sum()
    phase = 2 * np.pi / wavelength * (x * np.cos(3 * np.pi / 8) + y * np.sin(3 * np.pi / 8))
    even = 2 * window * (np.cos(phase) - (window * np.cos(phase)).sum())
    padded = np.pad(grey[0, 0].double().numpy(), radius, mode="reflect")
    amplitude = np.hypot(*(correlate(padded, f, origin=0) for f in (even, 2 * window * np.sin(phase))))
    # correlate centres a filter of K taps on tap K // 2.
    first = len(offsets) // 2
    expected = amplitude[first::stride, first::stride][: 64 // stride, : 64 // stride]
    np.testing.assert_allclose(measured.numpy(), expected, atol=1e-5)


def test_filters_do_not_see_luminance() -> None:
    for wavelength in (3, 6, 12, 24):
        assert float(gabors(wavelength, 1).sum(dim=(2, 3)).abs().max()) < 1e-5
    tokens = load().tokens(torch.full((1, 3, 64, 64), 7.0))
    assert all(float(t.abs().max()) < 1e-4 for t in tokens.local_tokens[2:])


def test_contrast_is_the_deviation_under_the_window() -> None:
    grey = torch.randn(1, 1, 20, 20, generator=torch.Generator().manual_seed(0))
    window = gaussian(torch.arange(-4.0, 5.0), 1.5)
    patch, weights = grey[0, 0, 6:15, 3:12].double(), window.double()
    mean = (weights * patch).sum()
    expected = (weights * (patch - mean) ** 2).sum().sqrt()
    assert float(contrast(grey, window[None, None])[0, 0, 10, 7]) == pytest.approx(float(expected), abs=1e-5)


def test_is_deterministic() -> None:
    batch = torch.randn(3, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    for one, two in zip(load().tokens(batch).local_tokens, load().tokens(batch).local_tokens, strict=True):
        assert torch.equal(one, two)


def test_takes_no_file(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"pixels has no weights, .*w\.pth was given"):
        PIXELS.loader(weights=Weights("file", tmp_path / "w.pth"), settings=PIXELS.resolve_settings({}))
