"""Colours: layers along one path of hue, confidence as brightness (section 3.2).

The path runs from blue through magenta and red to yellow and gets lighter all the way. Its blue-yellow part only ever rises too,
so that the order of layers can still be read by eyes that do not tell red from green.
"""

from __future__ import annotations

import numpy as np

# CIE LCh: hue in degrees and lightness at the first and the last layer, and the chroma at which every hue between is in sRGB.
# Found by search: of such paths, nearly the one whose twelve layers are farthest apart for the worst of four kinds of eye.
_HUES = (290.0, 440.0)
_LIGHTNESS = (50.0, 82.0)
_CHROMA = 45.0
# A voxel that reads all layers equally is dark, not black: its hue remains visible.
DARKEST = 0.4
_WHITE = np.array([0.95047, 1.0, 1.08883])  # D65
_TO_RGB = np.array(
    [[3.2404542, -1.5371385, -0.4985314], [-0.9692660, 1.8760108, 0.0415560], [0.0556434, -0.2040259, 1.0572252]]
)

# Cortex without voxels: on gyri, and in sulci.
BARE = np.full(3, 0.88)
BARE_SULCUS = np.full(3, 0.8)


def layer_colours(count: int) -> np.ndarray:
    """Return [count, 3] RGB in 0..1, first layer to last."""
    place = np.linspace(0, 1, count) if count > 1 else np.zeros(1)
    return _ramp(place)


def layer_paint(layer: np.ndarray, confidence: np.ndarray) -> np.ndarray:
    """Return colours [V, 3]: the hue is the layer with the largest weight, the brightness its confidence.

    layer: [V, L]; confidence: [V].
    """
    hue = layer_colours(layer.shape[1])[layer.argmax(axis=1)]
    return np.asarray(hue * brightness(confidence)[:, None])


def brightness(confidence: np.ndarray) -> np.ndarray:
    """Return the factor of a colour: from DARKEST at confidence 0 to 1 at confidence 1."""
    return np.asarray(DARKEST + (1 - DARKEST) * np.clip(confidence, 0, 1))


def _ramp(place: np.ndarray) -> np.ndarray:
    """Convert places [n] in 0..1 to sRGB [n, 3], through CIE Lab."""
    angle = np.deg2rad(_HUES[0] + (_HUES[1] - _HUES[0]) * place)
    lightness = _LIGHTNESS[0] + (_LIGHTNESS[1] - _LIGHTNESS[0]) * place
    y = (lightness + 16) / 116
    f = np.stack([y + _CHROMA * np.cos(angle) / 500, y, y - _CHROMA * np.sin(angle) / 200], axis=1)
    xyz = np.where(f > 6 / 29, f**3, 3 * (6 / 29) ** 2 * (f - 4 / 29)) * _WHITE
    linear = np.clip(xyz @ _TO_RGB.T, 0, 1)
    return np.asarray(np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055))
