"""The planted dataset as brainbench sees it."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from brainbench import Masks, Responses, Stimuli, Surface, features, features_key
from brainbench.builtin.datasets.demo import brain, cortex, simulate
from brainbench.builtin.datasets.demo.scenes import CLASSES, scene
from brainbench.builtin.datasets.demo.store import cached
from brainbench.builtin.datasets.planted.card import PLANTED
from brainbench.builtin.datasets.planted.truth import plant, signal

BACKBONE = "random"
SUBJECT = "1"
MARGIN = 8.0  # mm of cortex around the visual areas that have voxels too


class Planted:
    """One simulated subject whose voxels read the tokens of a backbone."""

    provides = frozenset({"responses", "rois", "coordinates", "masks", "noise_ceiling"})
    subjects: Sequence[str] = (SUBJECT,)

    def __init__(self, backbone: str, settings: Mapping[str, Any], cache: Path) -> None:
        """backbone: whose tokens the voxels read, by name; settings: of the card, resolved; cache: where things are kept."""
        self._backbone, self._settings, self._cache = backbone, settings, cache
        described = json.dumps([PLANTED.version, backbone, settings], sort_keys=True)
        self.version = f"{PLANTED.version}+{hashlib.sha256(described.encode()).hexdigest()[:8]}"
        images, seed = settings["images"], settings["seed"]
        files = cached(cache / f"planted-scenes-{images}-{seed}", lambda folder: _draw(folder, images, seed))
        self._images, self._masks = (np.load(io.BytesIO(files[f"{name}.npy"])) for name in ("images", "masks"))
        self._stimuli = Stimuli(
            ids=tuple(f"scene-{i:05d}" for i in range(images)),
            digests=tuple(hashlib.sha256(image.tobytes()).hexdigest() for image in self._images),
            open=lambda index: Image.fromarray(self._images[index]),
        )

    def stimuli(self, subject: str) -> Stimuli:
        """The scenes, 64 x 64 RGB."""
        return self._stimuli

    def survey(self, subject: str) -> Responses:
        """All of ``responses`` but the values and the truth, for which the backbone has to run."""
        whole, some = self._cortex
        split = np.array(simulate.split(len(self._images), self._settings["seed"]))
        shape = (len(self._images), len(some))
        # The values follow from these: which tokens, the settings, and how the card's version makes responses of them.
        parts = [self.version, features_key(self._backbone, self._stimuli), subject]
        return Responses(
            subject=subject,
            values=np.broadcast_to(np.float32(np.nan), shape),
            stimulus=np.arange(len(split)),
            split=split,
            key=hashlib.sha256(json.dumps(parts).encode()).hexdigest(),
            coordinates=whole.coordinates[some],
            rois={name: mask[some] for name, mask in whole.rois.items()},
            noise_ceiling=self._ceiling(len(some)),
            surface=Surface(cortex.MESH, whole.hemisphere[some], whole.vertex[some]),
            notes=(f"Planted responses: the voxels read {self._backbone}'s tokens; no brain was measured.",),
        )

    def responses(self, subject: str) -> Responses:
        """[S, V] z-scored responses, their noise ceiling, and in ``truth`` what the voxels read."""
        tokens = features(self._backbone, self._stimuli, cache=self._cache)
        whole, rng = self._cortex[0], self._rng(2)
        some = self._some(len(whole.area), rng)
        flat, shared = self._settings["flat"], self._settings["align"] == "shared"
        truth = plant(whole, tokens.channels, rng, flat=flat, shared=shared).of(some)
        values = brain.measure(signal(truth, tokens), self._ceiling(len(some)), self._rng(4))
        return replace(self.survey(subject), values=values, truth=truth.selectors(tokens.layers))

    @cached_property
    def _cortex(self) -> tuple[cortex.Cortex, NDArray[np.intp]]:
        """The whole cortex, and which of its voxels there are."""
        whole = cortex.build(self._rng(1), MARGIN)
        return whole, self._some(len(whole.area), self._rng(2))

    def _some(self, voxels: int, rng: np.random.Generator) -> NDArray[np.intp]:
        return np.sort(rng.permutation(voxels)[: self._settings["voxels"] or voxels])

    def _ceiling(self, voxels: int) -> NDArray[np.float64]:
        middle = self._settings["ceiling"]
        return np.clip(self._rng(3).uniform(middle - 0.1, middle + 0.1, voxels), 0.01, 0.99)

    def _rng(self, stream: int) -> np.random.Generator:
        return np.random.default_rng([self._settings["seed"], stream])

    def masks(self, subject: str) -> Masks:
        """uint8 [64, 64] per scene, 0 background and then the object categories."""
        return Masks(CLASSES, lambda index: self._masks[index])

    def dissimilarities(self, subject: str) -> NDArray[np.float64] | None:
        """There are none."""
        return None


def load(*, settings: Mapping[str, Any], data: Path | None, cache: Path) -> Planted:
    """The planted dataset; data: the name of the backbone that is planted, as in ``--backbones``.

    Raises:
        UsageError: there is no such backbone.
        StoreError: the cache cannot be read or written.
    """
    return Planted(BACKBONE if data is None else str(data), PLANTED.own_settings(settings), Path(cache))


def _draw(folder: Path, images: int, seed: int) -> None:
    # A stream of its own: none of these scenes is one of the demo's.
    scenes = [scene(seed + 1_000_000, index) for index in range(images)]
    np.save(folder / "images.npy", np.stack([s.image for s in scenes]))
    np.save(folder / "masks.npy", np.stack([s.mask for s in scenes]))
