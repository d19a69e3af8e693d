"""An endless, seeded stream of the demo's scenes, kept in chunks on disk so that several networks see the same ones.

The demo draws its scenes from a supply of its own (a seed of ``scene``); training and held-out scenes come from two others.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from brainbench.builtin.datasets.demo.backdrops import SCENE_CLASSES
from brainbench.builtin.datasets.demo.card import DEMO
from brainbench.builtin.datasets.demo.dataset import load
from brainbench.builtin.datasets.demo.scenes import CLASSES, scene
from brainbench.builtin.datasets.demo.shapes import CATEGORIES
from brainbench.datasets import kept

TRAIN, HELD_OUT = 1_000_003, 1_000_033
PLACES, OBJECTS = tuple(SCENE_CLASSES), tuple(CATEGORIES)
_CHUNK = 1000


@dataclass(frozen=True)
class Scenes:
    """n scenes.

    images: uint8 [n, 64, 64, 3]; masks: uint8 [n, 64, 64], 0 background, then OBJECTS; places: [n] index into PLACES; objects:
    bool [n, OBJECTS], which can be seen; captions: n texts.
    """

    images: np.ndarray
    masks: np.ndarray
    places: np.ndarray
    objects: np.ndarray
    captions: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.images)

    def digests(self) -> set[str]:
        """sha256 of every image's pixels, as the demo dataset names them."""
        return {hashlib.sha256(image.tobytes()).hexdigest() for image in self.images}


class Stream:
    """The scenes of one supply, by number. folder: where chunks are kept."""

    def __init__(self, supply: int, folder: Path) -> None:
        self._supply, self._folder = supply, folder
        self._open: dict[int, Scenes] = {}

    def take(self, start: int, count: int) -> Scenes:
        """Scenes ``start`` to ``start + count - 1``."""
        wanted = range(start // _CHUNK, (start + count - 1) // _CHUNK + 1)
        self._open = {number: self._open.get(number) or self._chunk(number) for number in wanted}
        first = start - wanted[0] * _CHUNK
        return _part(_joined([self._open[number] for number in wanted]), first, first + count)

    def shared(self, count: int, digests: set[str]) -> int:
        """How many of the first ``count`` scenes have one of these digests, chunk by chunk."""
        parts = range(0, count, _CHUNK)
        return sum(len(self.take(start, min(_CHUNK, count - start)).digests() & digests) for start in parts)

    def _chunk(self, number: int) -> Scenes:
        path = self._folder / f"scenes-{self._supply}-{number:05d}.npz"
        with np.load(kept(path, lambda draft: _write(draft, _made(self._supply, number)))) as found:
            return Scenes(*(found[name] for name in _FIELDS[:4]), tuple(found["captions"].tolist()))


def demo_digests(cache: Path) -> set[str]:
    """Those of all images of the demo dataset, which is made in ``cache``."""
    demo = load(settings=DEMO.own_settings({}), data=None, cache=cache)
    return {digest for subject in demo.subjects for digest in demo.stimuli(subject).digests}


_FIELDS = ("images", "masks", "places", "objects", "captions")


def _write(path: Path, made: Scenes) -> None:
    with path.open("wb") as file:
        np.savez(file, **{name: np.asarray(getattr(made, name)) for name in _FIELDS})


def _made(supply: int, number: int) -> Scenes:
    made = [scene(supply, index) for index in range(number * _CHUNK, (number + 1) * _CHUNK)]
    seen = [{thing.category for thing in one.objects} for one in made]
    return Scenes(
        images=np.stack([one.image for one in made]),
        masks=np.stack([one.mask for one in made]),
        places=np.array([PLACES.index(one.scene_class) for one in made]),
        objects=np.array([[name in names for name in OBJECTS] for names in seen]),
        captions=tuple(one.caption for one in made),
    )


def _joined(parts: Iterable[Scenes]) -> Scenes:
    parts = list(parts)
    arrays = (np.concatenate([getattr(part, name) for part in parts]) for name in _FIELDS[:4])
    return Scenes(*arrays, tuple(text for part in parts for text in part.captions))


def _part(whole: Scenes, start: int, stop: int) -> Scenes:
    return Scenes(*(getattr(whole, name)[start:stop] for name in _FIELDS[:4]), whole.captions[start:stop])


assert CLASSES[1:] == OBJECTS
