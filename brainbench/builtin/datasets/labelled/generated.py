"""Two generated tasks, from the demo's generator: which place a scene shows, and which texture fills an object."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from brainbench import Labels
from brainbench.builtin.datasets.demo.backdrops import SCENE_CLASSES
from brainbench.builtin.datasets.demo.scenes import OVERSAMPLING, SIZE, scene
from brainbench.builtin.datasets.demo.shapes import CATEGORIES
from brainbench.builtin.datasets.labelled.dataset import LabelledDataset, of_arrays
from brainbench.datasets import kept

PLACES = tuple(SCENE_CLASSES)
# The demo draws its scenes from another supply.
_SUPPLY = 2_000_003


def load_place(*, settings: Mapping[str, Any], data: Path | None, cache: Path) -> LabelledDataset:
    """The dataset of card ``place``."""
    return _load("place", PLACES, _place, settings, cache)


def load_texture(*, settings: Mapping[str, Any], data: Path | None, cache: Path) -> LabelledDataset:
    """The dataset of card ``texture``."""
    return _load("texture", tuple(TEXTURES), _texture, settings, cache)


def _load(
    name: str,
    classes: tuple[str, ...],
    draw: Callable[[int, int], tuple[np.ndarray, int]],
    settings: Mapping[str, Any],
    cache: Path,
) -> LabelledDataset:
    count, seed = settings["images"], settings["seed"]

    def make(draft: Path) -> None:
        drawn = [draw(_SUPPLY + seed, index) for index in range(count)]
        with draft.open("wb") as file:
            np.savez(file, images=np.stack([one for one, _ in drawn]), labels=np.array([label for _, label in drawn]))

    with np.load(kept(cache / "tasks" / f"{name}-{seed}-{count}.npz", make)) as content:
        pictures, labels = content["images"], content["labels"]
    stimuli = of_arrays(pictures, tuple(f"{name}-{index:05d}" for index in range(count)))
    return LabelledDataset(stimuli, Labels(classes, labels), name)


def _place(supply: int, index: int) -> tuple[np.ndarray, int]:
    one = scene(supply, index)
    return one.image, PLACES.index(one.scene_class)


def _texture(supply: int, index: int) -> tuple[np.ndarray, int]:
    """One object of any category and size on a plain ground; only its texture tells the class."""
    rng = np.random.default_rng([supply, index])
    label = int(rng.integers(len(TEXTURES)))
    side = SIZE * OVERSAMPLING
    stamp = Image.new("L", (side, side))
    size, centre = side * rng.uniform(0.3, 0.45), side * rng.uniform(0.4, 0.6, 2)
    for part in CATEGORIES[str(rng.choice(list(CATEGORIES)))](rng):
        ImageDraw.Draw(stamp).polygon([(float(x), float(y)) for x, y in part.points * size + centre], fill=255)
    shape = np.asarray(stamp.reduce(OVERSAMPLING), float)[..., None] / 255
    angle, cell = rng.uniform(0, np.pi), rng.uniform(5, 8)
    rows, columns = np.mgrid[:SIZE, :SIZE] + rng.uniform(0, 64, 2)[:, None, None]
    u = (np.cos(angle) * columns + np.sin(angle) * rows) / cell
    v = (np.cos(angle) * rows - np.sin(angle) * columns) / cell
    share = TEXTURES[list(TEXTURES)[label]](u, v, rng)[..., None]
    ground, one, other = rng.uniform(0, 1, (3, 3))
    # Two tones that differ enough for every texture to be seen.
    other = np.where(np.abs(one - other).sum() < 0.9, 1 - one.round() * 0.9, other)
    picture = (1 - shape) * ground + shape * (share * one + (1 - share) * other)
    noisy = picture + rng.normal(0, 0.03, picture.shape)
    return np.clip(noisy * 255, 0, 255).astype(np.uint8), label


def _stripes(u: np.ndarray, v: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.asarray(np.floor(2 * u) % 2)


def _checks(u: np.ndarray, v: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.asarray((np.floor(2 * u) + np.floor(2 * v)) % 2)


def _dots(u: np.ndarray, v: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.asarray(((u % 1 - 0.5) ** 2 + (v % 1 - 0.5) ** 2 < 0.1).astype(float))


def _waves(u: np.ndarray, v: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.asarray(np.floor(2 * (u + 0.35 * np.sin(2 * np.pi * v / 1.5))) % 2)


def _bricks(u: np.ndarray, v: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    row = np.floor(2 * v)
    return np.asarray(((2 * v % 1 > 0.25) & ((u + 0.5 * (row % 2)) % 1 > 0.15)).astype(float))


def _grain(u: np.ndarray, v: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    cells = rng.integers(0, 2, (SIZE // 2, SIZE // 2))
    return np.asarray(np.kron(cells, np.ones((2, 2))))


Texture = Callable[[np.ndarray, np.ndarray, np.random.Generator], np.ndarray]
# Coordinates in units of a cell [64, 64] each -> share of the first tone [64, 64].
TEXTURES: dict[str, Texture] = {
    "stripes": _stripes,
    "checks": _checks,
    "dots": _dots,
    "waves": _waves,
    "bricks": _bricks,
    "grain": _grain,
}
