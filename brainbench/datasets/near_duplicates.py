"""Near-duplicates: one photograph as png and as jpeg, resized, or mirrored. They must not be on two sides of a split.

Every image is shrunk to 8 x 8, which these changes leave nearly as it was. Two images are one picture if their brightness differs
by little of its contrast, and their mean colours by little at all. Of faint images (water, sky), a jpeg changes a large share
of that: they are compared once more in what 32 x 32 pixels show besides a slope of colour.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from PIL import Image

_SIDE, _DETAIL_SIDE = 8, 32
_NUMBERS = _SIDE**2 + 3
_LUMA = np.array([0.299, 0.587, 0.114])  # brightness of red, green and blue (ITU-R BT.601)
_SHARE = 0.25  # root mean square difference of brightness, as a share of the smaller contrast
_COLOUR = 3.0  # grey levels, between mean colours
# Images with next to no contrast: the most that their brightness and colour may differ, in grey levels, and how much their
# detail has to correlate.
_FAINT, _FAINT_COLOUR, _DETAIL = 1.5, 2.0, 0.3
# Below this contrast, in grey levels, 8 x 8 places tell nothing: a fine grating, or noise, is grey there.
_VISIBLE = 1.0
# An image of more contrast is never compared in detail: its share is the looser bound.
_CONTRAST = _FAINT / _SHARE
_STEP = 8  # of detail, in each grey level
_BLOCK = 1024
Pair = tuple[int, int]


def signature(image: Image.Image) -> str:
    """67 numbers of an RGB image as hexadecimal: brightness at 8 x 8 places, and the mean red, green and blue.

    Those of a faint image are followed by its detail, one byte for each of 32 x 32 places and three colours.
    """
    small = _shrunk(image, _SIDE)
    brightness = small @ _LUMA
    values: bytes = np.concatenate([brightness, small.mean(axis=0)]).astype("<f2").tobytes()
    return (values + (_detail(image) if brightness.std() < _CONTRAST else b"")).hex()


def _shrunk(image: Image.Image, side: int) -> np.ndarray:
    """[side * side, 3], with fractions of a grey level."""
    channels = [one.convert("F").resize((side, side), Image.Resampling.BILINEAR) for one in image.split()]
    return np.stack([np.asarray(one, float).ravel() for one in channels], axis=1)


def _detail(image: Image.Image) -> bytes:
    """What is left of 32 x 32 pixels without the plane that fits them best, colour by colour, in eighths of a grey level."""
    pixels, place = _shrunk(image, _DETAIL_SIDE), np.linspace(-1, 1, _DETAIL_SIDE)
    plane = np.stack([np.ones(_DETAIL_SIDE**2), *(axis.ravel() for axis in np.meshgrid(place, place))])
    plane /= np.linalg.norm(plane, axis=1, keepdims=True)
    rest = pixels - plane.T @ (plane @ pixels)
    values: np.ndarray = (rest * _STEP).round().clip(-127, 127).astype(np.int8)
    return values.tobytes()


def lookalikes(signatures: Sequence[str]) -> list[Pair]:
    """Pairs of images that show one picture, the smaller index first; S^2 comparisons of 64 numbers."""
    if len(signatures) < 2:
        return []
    content = [bytes.fromhex(one) for one in signatures]
    values = np.array([np.frombuffer(one, "<f2", _NUMBERS) for one in content]).astype(np.float32)
    plain, colours = values[:, : _SIDE**2], values[:, _SIDE**2 :]
    mirrored = plain.reshape(-1, _SIDE, _SIDE)[:, :, ::-1].reshape(len(plain), -1)
    found = set[Pair]()
    for second, turned in ((plain, False), (mirrored, True)):
        for one, other in _candidates(plain, second, colours):
            if _one_picture(plain[one], second[other], colours[[one, other]], content[one], content[other], turned):
                found.add((one, other))
    return sorted(found)


def _candidates(first: np.ndarray, second: np.ndarray, colours: np.ndarray) -> Iterator[Pair]:
    """Pairs whose brightness and colours are near enough for any of the rules."""
    contrast = first.std(axis=1)  # the same mirrored
    squares = np.square(first).sum(axis=1)  # the same mirrored
    columns = np.arange(len(first))
    for start in range(0, len(first), _BLOCK):
        block = slice(start, start + _BLOCK)
        rows = columns[block]
        apart = squares[block, None] + squares - 2 * first[block] @ second.T
        bound = np.maximum(_SHARE * np.minimum(contrast[block, None], contrast), _FAINT)
        # A float32 difference of squares is uncertain by a grey level or so.
        near = (apart <= (bound + 1) ** 2 * _SIDE**2) & (rows[:, None] < columns)
        for channel in range(3):
            near &= np.abs(colours[block, None, channel] - colours[:, channel]) <= _COLOUR
        for row, column in np.argwhere(near).tolist():
            yield start + row, column


def _one_picture(
    first: np.ndarray, second: np.ndarray, colours: np.ndarray, one: bytes, other: bytes, mirrored: bool
) -> bool:
    apart = float(np.sqrt(np.square(first - second).mean()))
    tint = float(np.abs(colours[0] - colours[1]).max())
    contrast = min(first.std(), second.std())
    if contrast >= _VISIBLE and apart <= _SHARE * contrast and tint <= _COLOUR:
        return True
    if apart > _FAINT or tint > _FAINT_COLOUR:
        return False
    details = [_read_detail(content) for content in (one, other)]
    if any(len(detail) == 0 for detail in details):
        return False
    return _correlation(details[0], details[1][:, ::-1] if mirrored else details[1]) >= _DETAIL


def _read_detail(content: bytes) -> np.ndarray:
    rest = np.frombuffer(content, np.int8, offset=2 * _NUMBERS).astype(np.float32)
    return rest.reshape(-1, _DETAIL_SIDE, 3)


def _correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Of two arrays whose means are zero."""
    return float((first * second).sum() / (np.linalg.norm(first) * np.linalg.norm(second) + 1e-9))
