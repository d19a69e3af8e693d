"""An endless, seeded supply of small pictures with known content: ``scene(seed, index)`` always gives the same one.

Every scene has a background of one class and up to three objects that may hide one another; place, size, colour and light
are random and independent of what is shown, so that classes have to be told by shape and texture.
"""

from __future__ import annotations

import colorsys
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from brainbench.builtin.datasets.demo.backdrops import SCENE_CLASSES, Colour, Layout, fill
from brainbench.builtin.datasets.demo.shapes import CATEGORIES

SIZE = 64
OVERSAMPLING = 3
CLASSES = ("background", *CATEGORIES)
MIN_VISIBLE = 20  # pixels; an object that shows less is not worth a name

Pixels = NDArray[np.uint8]
Generator = np.random.Generator


@dataclass(frozen=True)
class SceneObject:
    """One visible object.

    x, y: its centre, right and down, 0..1; size: half its height over that of the image; pixels: how many can be seen.
    """

    category: str
    x: float
    y: float
    size: float
    pixels: int


@dataclass(frozen=True)
class Scene:
    """A picture and all there is to know about it.

    image: uint8 [64, 64, 3]; mask: uint8 [64, 64], index into CLASSES; objects: nearest first, those that can be seen;
    horizon, vanish: its height from the top and the vanishing point from the left, 0..1; openness: 0 closed .. 1 open.
    """

    image: Pixels
    mask: Pixels
    caption: str
    scene_class: str
    objects: tuple[SceneObject, ...]
    horizon: float
    vanish: float
    openness: float


def scene(seed: int, index: int) -> Scene:
    """Scene ``index`` of the supply ``seed``; both at least 0. The same arguments give the same bytes."""
    rng = np.random.default_rng([seed, index])
    name = str(rng.choice(list(SCENE_CLASSES)))
    paint, (low, high) = SCENE_CLASSES[name]
    layout = Layout(rng.uniform(0.25, 0.6), rng.uniform(0.25, 0.75), rng.uniform(low, high), _colours(rng, 5))
    side = SIZE * OVERSAMPLING
    picture = Image.new("RGB", (side, side))
    instances = Image.new("L", (side, side))
    paint(ImageDraw.Draw(picture), side, layout, rng)
    texture = _noise(rng, rng.uniform(0.03, 0.09))
    placed = [_place(picture, instances, number, rng, size) for number, size in enumerate(_sizes(rng), start=1)]
    owner = np.asarray(instances)[1::OVERSAMPLING, 1::OVERSAMPLING]
    counts = np.bincount(owner.ravel(), minlength=len(placed) + 1)
    seen = [SceneObject(*facts, int(n)) for facts, n in zip(placed, counts[1:], strict=True) if n >= MIN_VISIBLE]
    objects = tuple(reversed(seen))
    classes = np.array([0, *(CLASSES.index(category) for category, *_ in placed)], dtype=np.uint8)
    image = _light(np.asarray(picture.reduce(OVERSAMPLING), dtype=np.float64) / 255, texture, rng)
    facts = layout.horizon, layout.vanish, layout.openness
    return Scene(image, classes[owner], _caption(objects, name), name, objects, *facts)


def _sizes(rng: Generator) -> NDArray[np.float64]:
    """Half heights of the objects, far (small) to near."""
    count = int(rng.choice([0, 1, 2, 3], p=[0.03, 0.27, 0.4, 0.3]))
    return np.sort(rng.uniform(0.16, 0.42, count))


def _place(
    picture: Image.Image, instances: Image.Image, number: int, rng: Generator, size: float
) -> tuple[str, float, float, float]:
    """Draw one object of a random category; returns category, x, y, size."""
    category = str(rng.choice(list(CATEGORIES)))
    x, y = rng.uniform(0.15, 0.85), rng.uniform(0.3, 0.8)
    stretch = np.array([rng.choice([-1, 1]) * rng.uniform(0.85, 1.1), 1.0]) * size * picture.width
    palette = _colours(rng, 2)
    tones = [palette[0], palette[1], 0.5 + 0.5 * palette[1], 0.25 * palette[0]]
    draw, stamp = ImageDraw.Draw(picture), ImageDraw.Draw(instances)
    for part in CATEGORIES[category](rng):
        corners = [(float(u), float(v)) for u, v in part.points * stretch + np.array([x, y]) * picture.width]
        draw.polygon(corners, fill=fill(tones[part.tone]))
        stamp.polygon(corners, fill=number)
    return category, float(x), float(y), float(size)


def _colours(rng: Generator, count: int) -> Colour:
    """Colours of random hue, saturation and lightness [count, 3]."""
    hsv = rng.uniform([0, 0.15, 0.35], [1, 0.85, 1], (count, 3))
    return np.array([colorsys.hsv_to_rgb(*row) for row in hsv.tolist()])


def _noise(rng: Generator, strength: float) -> NDArray[np.float64]:
    """Grain of three scales [64, 64]."""
    total = np.zeros((SIZE, SIZE))
    for cell in (1, 2, 4):
        total += np.kron(rng.normal(0, 1, (SIZE // cell, SIZE // cell)), np.ones((cell, cell)))
    return np.asarray(total * strength / np.sqrt(3))


def _light(image: NDArray[np.float64], texture: NDArray[np.float64], rng: Generator) -> Pixels:
    """Add grain, a gradient of light from a random side, a random exposure and a colour cast."""
    angle, depth = rng.uniform(0, 2 * np.pi), rng.uniform(0, 0.45)
    ramp = np.linspace(-1, 1, SIZE)
    gradient = 1 + depth * (np.cos(angle) * ramp[None, :] + np.sin(angle) * ramp[:, None]) / np.sqrt(2)
    cast = rng.uniform(0.85, 1.15, 3) * rng.uniform(0.7, 1.15)
    lit = (image + texture[..., None]) * gradient[..., None] * cast
    return np.asarray(np.clip(lit * 255, 0, 255), dtype=np.uint8)


def _caption(objects: tuple[SceneObject, ...], scene_class: str) -> str:
    """For example: a face in front of a plant, in a street."""
    place = {"mountains": "in the mountains", "coast": "on a coast"}.get(scene_class, f"in a {scene_class}")
    if not objects:
        return f"nothing, {place}"
    nearest, *others = (f"a {thing.category}" for thing in objects)
    return nearest + (f" in front of {' and '.join(others)}" if others else "") + f", {place}"
