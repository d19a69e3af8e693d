"""Tokens of images: colours of an embedding (AlignedCut, Figure 4), top channels of ROIs (FactorTopy, Figure 9).

They are drawn from arrays, because no record contains single tokens.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from brainbench.errors import UsageError
from brainbench.plot.page import WIDTH, Caption, Picture, bare, page, style

_ACROSS = 12  # panels of one line
_WIDEST = 1.15  # inches of a panel
_NAME, _TITLE, _GAP = 0.68, 0.15, 0.07  # inches of a line's name, of the panels' titles, between images
_LONGEST = 12  # characters of a name in a line, and of all the titles above a panel of one inch


@dataclass(frozen=True)
class _Line:
    """panels: title -> uint8 [n, h, w, 3]."""

    name: str
    panels: Mapping[str, np.ndarray]


def embedding_map(
    images: np.ndarray, colours: Mapping[str, Mapping[str, np.ndarray]], caption: Caption, what: str = ""
) -> Picture:
    """Plot every image, then its tokens in the colours of their embedding: one column per layer, one line per backbone.

    images: uint8 [n, S, S, 3]; colours: backbone -> layer -> uint8 [n, h, w, 3]. A backbone with more than 12 layers takes
    several lines. Raises UsageError if there is nothing to draw, or the arrays have different numbers of images.
    """
    alone = len(colours) == 1 and all(len(layers) <= _ACROSS for layers in colours.values())
    wide = _WIDEST if alone else 0
    lines = []
    for name, layers in colours.items():
        short = alone and max(map(len, layers), default=0) * len(layers) <= _LONGEST * wide * 5
        titled = {title if short else str(number + 1): array for number, (title, array) in enumerate(layers.items())}
        lines += [_Line("" if alone else name, part) for part in _parts(titled)]
    return _drawn(images, lines, caption, what)


def channel_images(images: np.ndarray, maps: Mapping[str, np.ndarray], caption: Caption, what: str = "") -> Picture:
    """Plot every image, then the three first channels of each ROI as red, green and blue.

    images: uint8 [n, S, S, 3]; maps: ROI -> uint8 [n, h, w, 3]. Raises UsageError as ``embedding_map``.
    """
    return _drawn(images, [_Line("", part) for part in _parts(maps)], caption, what)


def _parts(panels: Mapping[str, np.ndarray]) -> list[dict[str, np.ndarray]]:
    every = list(panels.items())
    return [dict(every[start : start + _ACROSS]) for start in range(0, len(every), _ACROSS)]


def _drawn(images: np.ndarray, lines: Sequence[_Line], caption: Caption, what: str) -> Picture:
    found = {len(array) for line in lines for array in line.panels.values()}
    if not len(images) or found != {len(images)}:
        raise UsageError(
            f"{len(images)} images and the tokens of {' or '.join(map(str, sorted(found))) or 'none'}: give one image at least, "
            "and the tokens of each in the same order"
        )
    own = min(len(lines), 2)  # panels that the image itself is wide and high
    name = _NAME if any(line.name for line in lines) else 0.06
    across = max(len(line.panels) for line in lines)
    side = min((WIDTH - 0.16 - name) / (across + own), _WIDEST)
    # Titles are drawn once, above the first image, where a line's are not those of the line before.
    titled = [not number or [*line.panels] != [*lines[number - 1].panels] for number, line in enumerate(lines)]
    heights = [[side + (_TITLE if row == 0 and head else 0) for head in titled] for row in range(len(images))]
    with style():
        figure, box = page(caption, sum(map(sum, heights)) + _GAP * (len(images) - 1), what)
        tall = float(figure.get_figheight())

        def panel(left: float, top: float, size: float, pixels: np.ndarray) -> None:
            """Inches from the left, and from the top of what may be drawn in."""
            low = box["top"] - (top + size) / tall
            axes = figure.add_axes((left / WIDTH, low, size * 0.96 / WIDTH, size * 0.96 / tall))
            axes.imshow(pixels, interpolation="nearest", aspect="auto")
            bare(axes)

        top = 0.0
        for row, image in enumerate(images):
            panel(0.08, top + heights[row][0] - side, own * side, image)
            for line, height, head in zip(lines, heights[row], titled, strict=True):
                top += height
                middle = box["top"] - (top - side / 2) / tall
                left = 0.08 + own * side + name
                words = "\n".join(textwrap.wrap(line.name.replace("/", "/ "), _LONGEST)).replace("/ ", "/")
                figure.text((left - 0.05) / WIDTH, middle, words, fontsize=6.5, ha="right", va="center")
                for column, (title, arrays) in enumerate(line.panels.items()):
                    panel(left + column * side, top - side, side, arrays[row])
                    if head and row == 0:
                        figure.text(
                            (left + (column + 0.48) * side) / WIDTH,
                            box["top"] - (top - side - 0.03) / tall,
                            title,
                            fontsize=6.5,
                            ha="center",
                            va="bottom",
                        )
            top += _GAP
    return figure
