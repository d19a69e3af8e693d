"""The scene classes: each paints a background with a layout of its own, in random colours.

A backdrop paints on a square canvas; layout is told in shares of its side: horizon from the top, vanish from the left.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import ImageDraw

Colour = NDArray[np.float64]
Canvas = ImageDraw.ImageDraw


class Layout(NamedTuple):
    """The spatial layout of a scene. openness: 0 a closed room .. 1 nothing but horizon; colours: [5, 3] in 0..1."""

    horizon: float
    vanish: float
    openness: float
    colours: Colour


def fill(colour: Colour, gain: float = 1.0) -> tuple[int, int, int]:
    """A colour in 0..1, brightened or darkened, as PIL wants it."""
    r, g, b = (int(v) for v in np.clip(colour * gain * 255, 0, 255))
    return r, g, b


def room(draw: Canvas, side: int, layout: Layout, rng: np.random.Generator) -> None:
    """Back wall, side walls, tiled floor and ceiling, a picture on the wall."""
    half = side * (0.18 + 0.5 * layout.openness)
    x, y = layout.vanish * side, layout.horizon * side
    left, right, top, bottom = x - half, x + half, y - half, y + half * 0.8
    walls, floor, ceiling, back, picture = layout.colours
    draw.polygon([(0, 0), (left, top), (left, bottom), (0, side)], fill=fill(walls, 0.8))
    draw.polygon([(side, 0), (right, top), (right, bottom), (side, side)], fill=fill(walls, 0.65))
    draw.polygon([(0, 0), (side, 0), (right, top), (left, top)], fill=fill(ceiling))
    draw.polygon([(0, side), (side, side), (right, bottom), (left, bottom)], fill=fill(floor))
    draw.rectangle([left, top, right, bottom], fill=fill(back, 0.9))
    for share in np.linspace(0, 1, 7):
        draw.line(
            [(left + share * (right - left), bottom), ((share * 2 - 0.5) * side, side)], fill=fill(floor, 0.6), width=2
        )
    u, v = left + half * rng.uniform(0.3, 1.0), top + half * rng.uniform(0.2, 0.5)
    draw.rectangle([u, v, u + half * 0.6, v + half * 0.5], fill=fill(picture), outline=fill(picture, 0.4), width=2)


def street(draw: Canvas, side: int, layout: Layout, rng: np.random.Generator) -> None:
    """A road running to the vanishing point between two rows of house fronts with windows."""
    sky, road, near, far, mark = layout.colours
    x, y = layout.vanish * side, layout.horizon * side
    draw.rectangle([0, 0, side, y], fill=fill(sky))
    draw.rectangle([0, y, side, side], fill=fill(road, 0.7))
    draw.polygon([(x, y), (x + side * 0.55, side), (x - side * 0.55, side)], fill=fill(road, 0.5))
    for k in range(5):
        a, b = (k / 5) ** 2, ((k + 0.5) / 5) ** 2
        draw.line([(x, y + a * (side - y)), (x, y + b * (side - y))], fill=fill(mark), width=1 + int(4 * b))
    for edge in (0.0, float(side)):
        for k in range(4, 0, -1):
            _front(draw, x, y, edge, (k - 1) / 4.4, k / 4.4, side * rng.uniform(0.5, 1.1), (near, far)[k % 2])


def _front(draw: Canvas, x: float, y: float, edge: float, far: float, near: float, tall: float, colour: Colour) -> None:
    corners = [(x + (edge - x) * s, y + s * sign * h) for s, sign, h in
               ((far, -1, tall), (near, -1, tall), (near, 1, tall * 0.35), (far, 1, tall * 0.35))]  # fmt: skip
    draw.polygon(corners, fill=fill(colour, 0.5 + 0.5 * near))
    for u in (0.25, 0.7):
        s, width = far + (near - far) * u, abs(edge - x) * (near - far) * 0.22
        for level in (0.25, 0.55, 0.8):
            top = y - s * tall * level
            draw.rectangle([x + (edge - x) * s - width / 2, top, x + (edge - x) * s + width / 2, top + s * tall * 0.15],
                           fill=fill(colour, 0.3))  # fmt: skip


def field(draw: Canvas, side: int, layout: Layout, rng: np.random.Generator) -> None:
    """Sky over a plain with furrows that run to the vanishing point."""
    sky, ground, furrow, cloud, _ = layout.colours
    x, y = layout.vanish * side, layout.horizon * side
    draw.rectangle([0, 0, side, y], fill=fill(sky))
    draw.rectangle([0, y, side, side], fill=fill(ground, 0.8))
    for share in np.linspace(-2.5, 3.5, 12):
        draw.line([(x, y), (share * side, side)], fill=fill(furrow, 0.7), width=3)
    for _ in range(int(rng.integers(1, 5))):
        u, v, r = rng.uniform(0, side), rng.uniform(0, y), side * rng.uniform(0.05, 0.15)
        draw.ellipse([u - 2 * r, v - r * 0.6, u + 2 * r, v + r * 0.6], fill=fill(cloud, 1.2))


def forest(draw: Canvas, side: int, layout: Layout, rng: np.random.Generator) -> None:
    """Many upright trunks, the near ones thick, under a canopy of leaves."""
    air, ground, trunk, leaf, moss = layout.colours
    y = layout.horizon * side
    draw.rectangle([0, 0, side, side], fill=fill(air, 0.9))
    draw.rectangle([0, y, side, side], fill=fill(ground, 0.6))
    count = int(rng.integers(10, 18))
    for near in np.sort(rng.uniform(0.1, 1, count)):
        x, width = rng.uniform(0, side), side * 0.07 * near
        draw.rectangle([x, 0, x + width, y + near**2 * (side - y) * 0.8], fill=fill(trunk, 1.1 - 0.7 * near))
    for _ in range(60):
        x, y, r = rng.uniform(0, side), abs(rng.normal(0, side * 0.13)), side * rng.uniform(0.02, 0.06)
        draw.ellipse([x - r, y - r, x + r, y + r], fill=fill((leaf, moss)[int(rng.integers(2))], rng.uniform(0.5, 1.0)))


def coast(draw: Canvas, side: int, layout: Layout, rng: np.random.Generator) -> None:
    """Sky, a band of water with level waves, and a beach with a slanting edge."""
    sky, water, sand, foam, _ = layout.colours
    y, shore = layout.horizon * side, side * rng.uniform(0.72, 0.92)
    draw.rectangle([0, 0, side, y], fill=fill(sky))
    draw.rectangle([0, y, side, side], fill=fill(water, 0.8))
    for k in range(9):
        v = y + (k / 9) ** 1.6 * (side - y)
        for u in rng.uniform(0, side, 4):
            draw.line([(u, v), (u + side * (0.06 + 0.02 * k), v)], fill=fill(foam, 1.1), width=1 + k // 3)
    tilt = side * rng.uniform(-0.12, 0.12)
    draw.polygon([(0, shore + tilt), (side, shore - tilt), (side, side), (0, side)], fill=fill(sand))


def mountains(draw: Canvas, side: int, layout: Layout, rng: np.random.Generator) -> None:
    """Ranges of jagged peaks with snow behind a rolling foreground."""
    sky, far, near, snow, ground = layout.colours
    y = layout.horizon * side
    draw.rectangle([0, 0, side, side], fill=fill(sky))
    for colour, gain, base in ((far, 0.9, -0.05), (near, 0.55, 0.05)):
        for x in np.sort(rng.uniform(-0.1, 1.1, 4)) * side:
            peak, wide = y - side * rng.uniform(0.1, 0.4) + base * side, side * rng.uniform(0.2, 0.35)
            foot = side * 0.75
            draw.polygon([(x - wide, foot), (x, peak), (x + wide, foot)], fill=fill(colour, gain))
            cap = 0.22 * wide
            drop = peak + 0.22 * (foot - peak)
            draw.polygon([(x - cap, drop), (x, peak), (x + cap, drop), (x, drop - 0.06 * side)], fill=fill(snow, 1.3))
    hills = [(u * side / 12, side * 0.7 + side * 0.03 * np.sin(u + layout.vanish * 9)) for u in range(13)]
    draw.polygon([*hills, (side, side), (0, side)], fill=fill(ground, 0.7))


Backdrop = Callable[[Canvas, int, Layout, np.random.Generator], None]
# Painter, and the range of openness.
SCENE_CLASSES: dict[str, tuple[Backdrop, tuple[float, float]]] = {
    "room": (room, (0.0, 0.2)),
    "forest": (forest, (0.15, 0.4)),
    "street": (street, (0.3, 0.6)),
    "mountains": (mountains, (0.5, 0.8)),
    "field": (field, (0.75, 0.95)),
    "coast": (coast, (0.8, 1.0)),
}
