"""Can the colours be read, also by colour-blind eyes?"""

from __future__ import annotations

import numpy as np
import pytest

from brainbench.plot.colours import brightness, layer_colours, layer_paint

# Machado, Oliveira and Fernandes 2009 (IEEE TVCG 15:1291), severity 1, on linear RGB.
EYES = {
    "normal": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "tritanopia": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}
# A just noticeable difference in CIE Lab is about 2.3 (Mahy, Van Eycken and Oosterlinck 1994, Color Res Appl 19:105).
NOTICEABLE = 2.3


def lab(srgb: np.ndarray, eye: str = "normal") -> np.ndarray:
    """[n, 3] sRGB -> CIE Lab (D65) as an eye sees it; an independent way round from the module's own, Lab -> sRGB."""
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    linear = np.clip(linear @ EYES[eye].T, 0, 1)
    to_xyz = np.array(
        [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
    )
    xyz = linear @ to_xyz.T / np.array([0.95047, 1.0, 1.08883])
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.stack([116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], axis=1)


@pytest.mark.parametrize("eye", EYES)
def test_neighbouring_layers_of_the_usual_twelve_can_be_told_apart(eye: str) -> None:
    seen = lab(layer_colours(12), eye)
    assert np.linalg.norm(np.diff(seen, axis=0), axis=1).min() > NOTICEABLE


@pytest.mark.parametrize("eye", EYES)
def test_later_layers_are_lighter_to_every_eye(eye: str) -> None:
    for count in (2, 3, 12, 24, 40):
        assert (np.diff(lab(layer_colours(count), eye)[:, 0]) > 0).all(), count


@pytest.mark.parametrize("eye", ["normal", "protanopia", "deuteranopia"])
def test_later_layers_are_yellower_where_red_and_green_are_one(eye: str) -> None:
    seen = lab(layer_colours(12), eye)[:, 2]
    assert (np.diff(seen) > 0).all()
    assert seen[-1] - seen[0] > 75


@pytest.mark.parametrize("eye", EYES)
def test_no_two_layers_look_alike(eye: str) -> None:
    seen = lab(layer_colours(12), eye)
    apart = np.linalg.norm(seen[:, None] - seen[None], axis=2)
    assert apart[~np.eye(12, dtype=bool)].min() > NOTICEABLE


@pytest.mark.parametrize("layer", [0, 5, 11])
def test_lightness_rises_with_confidence(layer: int) -> None:
    weights = np.tile(np.eye(12)[layer], (20, 1))
    seen = lab(layer_paint(weights, np.linspace(0, 1, 20)))
    assert (np.diff(seen[:, 0]) > 0).all()
    assert seen[-1, 0] - seen[0, 0] > 20


def test_brightness_ends_at_the_full_colour() -> None:
    np.testing.assert_allclose(brightness(np.array([-1.0, 0.0, 1.0, 2.0])), [0.4, 0.4, 1.0, 1.0])
    np.testing.assert_allclose(layer_paint(np.array([[0.1, 0.9]]), np.ones(1)), layer_colours(2)[1:])


def test_one_layer_has_the_first_colour() -> None:
    np.testing.assert_allclose(layer_colours(1), layer_colours(5)[:1])
