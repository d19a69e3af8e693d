"""Near-duplicates: one photograph as png and as jpeg, resized, or mirrored. They must not be on two sides of a split.

Every image is shrunk to 8 x 8, which these changes leave nearly as it was. Two images are one picture if their brightness differs
by little of its contrast, and their mean colours by little at all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from PIL import Image

_SIDE = 8
_LUMA = np.array([0.299, 0.587, 0.114])  # brightness of red, green and blue (ITU-R BT.601)
_SHARE = 0.25  # root mean square difference of brightness, as a share of the smaller contrast
_COLOUR = 3.0  # grey levels, between mean colours
# Of images with next to no contrast, what a jpeg changes is a large share of it: water, sky, a blank screen.
_FAINT, _CORRELATION, _FAINT_COLOUR = 0.5, 0.7, 2.0
_BLOCK = 1024
Pair = tuple[int, int]


def signature(image: Image.Image) -> str:
    """67 numbers of an RGB image as hexadecimal: brightness at 8 x 8 places, and the mean red, green and blue."""
    small = np.asarray(image.resize((_SIDE, _SIDE), Image.Resampling.BILINEAR), float)
    return np.concatenate([(small @ _LUMA).ravel(), small.mean(axis=(0, 1))]).astype("<f2").tobytes().hex()


def lookalikes(signatures: Sequence[str]) -> list[Pair]:
    """Pairs of images that show one picture, the smaller index first; S^2 comparisons of 64 numbers."""
    if len(signatures) < 2:
        return []
    values = np.array([np.frombuffer(bytes.fromhex(one), "<f2") for one in signatures]).astype(np.float32)
    plain, colours = values[:, : _SIDE**2], values[:, _SIDE**2 :]
    mirrored = plain.reshape(-1, _SIDE, _SIDE)[:, :, ::-1].reshape(len(plain), -1)
    return sorted({pair for second in (plain, mirrored) for pair in _pairs(plain, second, colours)})


def _pairs(first: np.ndarray, second: np.ndarray, colours: np.ndarray) -> Iterator[Pair]:
    centred = [one - one.mean(axis=1, keepdims=True) for one in (first, second)]
    contrast = first.std(axis=1)  # the same mirrored
    units = [one / (contrast[:, None] * _SIDE + 1e-9) for one in centred]
    for start in range(0, len(first), _BLOCK):
        rows, columns = np.nonzero(units[0][start : start + _BLOCK] @ units[1].T >= _CORRELATION)
        rows += start
        rows, columns = rows[rows < columns], columns[rows < columns]
        apart = np.sqrt(np.square(first[rows] - second[columns]).mean(axis=1))
        tint = np.abs(colours[rows] - colours[columns]).max(axis=1, initial=0)
        alike = (apart <= _SHARE * np.minimum(contrast[rows], contrast[columns])) & (tint <= _COLOUR)
        faint = (apart <= _FAINT) & (tint <= _FAINT_COLOUR)
        yield from zip(rows[alike | faint].tolist(), columns[alike | faint].tolist(), strict=True)
