"""The demo dataset as brainbench sees it."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from brainbench import Masks, Responses, Stimuli, Surface, UsageError
from brainbench.builtin.datasets.demo.card import DEMO
from brainbench.builtin.datasets.demo.scenes import CLASSES
from brainbench.builtin.datasets.demo.store import cached

NOTE = "Simulated responses: filters, scene content and noise of a stated share of the variance; no brain was measured."


class Demo:
    """The demo dataset. Every subject saw the same S scenes once, with the same split."""

    provides = frozenset({"responses", "rois", "coordinates", "masks", "noise_ceiling"})

    def __init__(self, files: Mapping[str, bytes], version: str) -> None:
        """files: what simulate.write made, by name."""
        self.version = version
        self._files = files
        self._images = _array(files["images.npy"])
        self._masks = _array(files["masks.npy"])
        facts = json.loads(files["scenes.json"])
        self._split = np.array(facts["split"])
        count = len(self._images)
        self._stimuli = Stimuli(
            ids=tuple(f"scene-{i:05d}" for i in range(count)),
            digests=tuple(hashlib.sha256(image.tobytes()).hexdigest() for image in self._images),
            open=lambda index: Image.fromarray(self._images[index]),
            captions=tuple(facts["captions"]),
        )
        self.subjects: Sequence[str] = [
            str(k) for k in range(1, sum(name.startswith("subject-") for name in files) + 1)
        ]

    def stimuli(self, subject: str) -> Stimuli:
        """The S scenes, 64 x 64 RGB, with captions."""
        self._check(subject)
        return self._stimuli

    def responses(self, subject: str) -> Responses:
        """[S, V] z-scored responses of one subject, voxels on fsaverage5."""
        self._check(subject)
        with np.load(io.BytesIO(self._files[f"subject-{subject}.npz"])) as kept:
            part = dict(kept)
        stimulus = np.arange(len(self._split))
        return Responses(
            subject=subject,
            values=part["values"],
            stimulus=stimulus,
            split=self._split,
            key=_key(subject, self._stimuli.key, self._split, *(part[name] for name in sorted(part))),
            coordinates=part["coordinates"],
            rois=dict(zip(part["roi_names"].tolist(), part["roi_masks"], strict=True)),
            noise_ceiling=part["noise_ceiling"],
            surface=Surface("fsaverage5", part["hemisphere"], part["vertex"]),
            notes=(NOTE,),
        )

    def masks(self, subject: str) -> Masks:
        """uint8 [64, 64] per scene, 0 background and then the object categories."""
        self._check(subject)
        return Masks(CLASSES, lambda index: self._masks[index])

    def dissimilarities(self, subject: str) -> NDArray[np.float64] | None:
        """There are none."""
        self._check(subject)
        return None

    def _check(self, subject: str) -> None:
        if subject not in self.subjects:
            raise UsageError(f"demo has no subject {subject!r}; it has: {', '.join(self.subjects)}")


def load(*, settings: Mapping[str, Any], data: Path | None, cache: Path) -> Demo:
    """The demo dataset with ``settings`` (images, subjects, seed), from ``cache`` or made there.

    Raises:
        UsageError: ``data`` was given, of which the demo has no use.
        StoreError: the cache cannot be read or written.
    """
    if data is not None:
        raise UsageError(
            f"--data {data}: demo makes its own images and responses; leave --data out or name another --dataset"
        )
    chosen = DEMO.own_settings(settings)
    digest = hashlib.sha256(json.dumps([DEMO.version, chosen], sort_keys=True).encode()).hexdigest()
    changed = any(chosen[setting.name] != setting.default for setting in DEMO.settings)
    files = cached(Path(cache) / f"demo-{digest[:16]}", lambda folder: _make(folder, chosen))
    return Demo(files, DEMO.version + (f"+{digest[:8]}" if changed else ""))


def _make(folder: Path, chosen: Mapping[str, Any]) -> None:
    from brainbench.builtin.datasets.demo.simulate import write  # nilearn and scipy are only needed for the first load

    write(folder, chosen["images"], chosen["subjects"], chosen["seed"])


def _array(content: bytes) -> NDArray[np.uint8]:
    array: NDArray[np.uint8] = np.load(io.BytesIO(content))
    array.setflags(write=False)
    return array


def _key(*parts: str | NDArray[Any]) -> str:
    total = hashlib.sha256()
    for part in parts:
        content = part.encode() if isinstance(part, str) else f"{part.dtype}{part.shape}".encode() + part.tobytes()
        total.update(hashlib.sha256(content).digest())
    return total.hexdigest()
