"""What the simulated areas compute: maps over the visual field, from the picture and, higher up, from what is known of the scene.

The filters are the demo's own and differ from those of any backbone: wavelengths 4.3, 8.5 and 17 pixels, six orientations
none of which is a multiple of 22.5 degrees, Gaussians longer than wide (1.6 : 1), energy divided by the energy nearby.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from brainbench.builtin.datasets.demo.backdrops import SCENE_CLASSES
from brainbench.builtin.datasets.demo.scenes import CLASSES, SIZE, Scene

Maps = NDArray[np.float32]

WAVELENGTHS = (4.3, 8.5, 17.0)  # pixels
ORIENTATIONS = np.radians(3.75 + 30 * np.arange(6))
WIDTH, LENGTH = 0.36, 0.58  # sd of the Gaussian across and along the bars, in wavelengths
FLOOR = 0.02  # contrast below which normalisation no longer divides
GRID = 16  # the maps' side
BORDER = 16  # pixels by which a picture is mirrored outwards, so that one side does not leak into the other
HUES = np.arange(6) * np.pi / 3
HORIZONS = np.array([0.25, 0.37, 0.48, 0.6])  # preferred heights of the horizon
SIZES = np.array([0.15, 0.25, 0.4])  # preferred half heights of an object


@lru_cache(maxsize=1)
def _bank() -> NDArray[np.complex64]:
    """Transfer functions [3 * 6, 96, 96] of complex Gabors without response to uniform light, wavelength by wavelength."""
    side = SIZE + 2 * BORDER
    ramp = np.arange(side) - side // 2
    y, x = np.meshgrid(ramp, ramp, indexing="ij")
    bank = []
    for wavelength in WAVELENGTHS:
        for angle in ORIENTATIONS:
            across, along = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
            window = np.exp(-0.5 * ((across / WIDTH) ** 2 + (along / LENGTH) ** 2) / wavelength**2)
            wave = np.exp(2j * np.pi * across / wavelength)
            gabor = window * (wave - (window * wave).sum() / window.sum())
            bank.append(np.fft.fft2(np.fft.ifftshift(gabor / np.abs(gabor).sum())))
    return np.asarray(bank, dtype=np.complex64)


def energy(image: NDArray[np.uint8]) -> Maps:
    """Normalised oriented energy [18, 16, 16] of one picture [64, 64, 3].

    e_ws / (FLOOR^2 + the mean over orientations of e within one wavelength), e the squared modulus of the Gabor responses.
    """
    grey = np.pad(image.astype(np.float32).mean(axis=2) / 255, BORDER, mode="reflect")
    response = np.fft.ifft2(np.fft.fft2(grey) * _bank())[:, BORDER:-BORDER, BORDER:-BORDER]
    raw = (response.real**2 + response.imag**2).reshape(len(WAVELENGTHS), len(ORIENTATIONS), SIZE, SIZE)
    pool = np.stack([gaussian_filter(r.mean(axis=0), w) for r, w in zip(raw, WAVELENGTHS, strict=True)])
    return _shrink((raw / (FLOOR**2 + pool[:, None])).reshape(-1, SIZE, SIZE))


def conjunctions(normalised: Maps) -> Maps:
    """V2: energies of two crossing orientations multiplied [18, 16, 16]: corners, crossings, curves."""
    e = normalised.reshape(len(WAVELENGTHS), len(ORIENTATIONS), GRID, GRID)
    return np.asarray(np.sqrt(e * np.roll(e, 2, axis=1)).reshape(-1, GRID, GRID), dtype=np.float32)


def texture_edges(normalised: Maps) -> Maps:
    """V3: second-order energy, how fast each orientation's energy changes over space [18, 16, 16]."""
    smooth = gaussian_filter(normalised, (0, 1, 1))
    down, right = np.gradient(smooth, axis=(1, 2))
    return np.asarray(np.hypot(down, right), dtype=np.float32)


def shape_and_colour(scene: Scene) -> Maps:
    """hV4: six hues by saturation, figure, and contour that bends outwards and inwards [9, 16, 16]."""
    red, green, blue = np.moveaxis(scene.image.astype(np.float32) / 255, 2, 0)
    across, up = red - 0.5 * (green + blue), (green - blue) * np.sqrt(0.75)
    hues = [np.maximum(across * np.cos(h) + up * np.sin(h), 0) for h in HUES]
    figure = (scene.mask > 0).astype(np.float32)
    inside = gaussian_filter(figure, 3)
    contour = gaussian_filter(np.hypot(*np.gradient(figure)), 1)
    return _shrink(
        np.stack([*hues, figure, contour * np.maximum(0.5 - inside, 0), contour * np.maximum(inside - 0.5, 0)])
    )


def layout(scene: Scene) -> NDArray[np.float32]:
    """OPA and PPA [13]: height of the horizon (four tunings), openness, its square, vanishing point; then the scene class."""
    horizon = np.exp(-0.5 * ((scene.horizon - HORIZONS) / 0.07) ** 2)
    classes = [float(scene.scene_class == name) for name in SCENE_CLASSES]
    return np.array([*horizon, scene.openness, scene.openness**2, scene.vanish, *classes], dtype=np.float32)


def category(scene: Scene, name: str) -> tuple[Maps, NDArray[np.float32]]:
    """EBA and FFA: where a category is seen [1, 16, 16], and [4] whether it is and how well it fits the preferred sizes."""
    where = _shrink((scene.mask == CLASSES.index(name))[None].astype(np.float32))
    sizes = [thing.size for thing in scene.objects if thing.category == name]
    fit = (
        np.exp(-0.5 * (np.subtract.outer(np.log(SIZES), np.log(sizes)) / 0.35) ** 2).max(axis=1)
        if sizes
        else np.zeros(3)
    )
    return where, np.array([float(bool(sizes)), *fit], dtype=np.float32)


def _shrink(maps: NDArray[np.floating]) -> Maps:
    """Mean over cells of 4 x 4 pixels."""
    step = SIZE // GRID
    return np.asarray(maps.reshape(len(maps), GRID, step, GRID, step).mean(axis=(2, 4)), dtype=np.float32)


def stack(scenes: Sequence[Scene]) -> dict[str, NDArray[np.float32]]:
    """All maps of n scenes.

    V1, V2, V3 [n, 18, 16, 16], hV4 [n, 9, 16, 16], body, face [n, 1, 16, 16], body_size, face_size [n, 4], layout [n, 13].
    """
    first = np.stack([energy(s.image) for s in scenes])
    body, face = ([category(s, name) for s in scenes] for name in ("body", "face"))
    return {
        "V1": np.sqrt(first),
        "V2": np.stack([conjunctions(e) for e in first]),
        "V3": np.stack([texture_edges(e) for e in first]),
        "hV4": np.stack([shape_and_colour(s) for s in scenes]),
        "body": np.stack([where for where, _ in body]),
        "face": np.stack([where for where, _ in face]),
        "body_size": np.stack([size for _, size in body]),
        "face_size": np.stack([size for _, size in face]),
        "layout": np.stack([layout(s) for s in scenes]),
    }
