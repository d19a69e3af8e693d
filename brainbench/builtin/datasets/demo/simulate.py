"""Making the demo dataset: scenes, subjects, responses and split, written into a folder."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from brainbench.builtin.datasets.demo import brain, cortex, maps
from brainbench.builtin.datasets.demo.scenes import Scene, scene

CHUNK = 200  # scenes whose maps are held at once
# What a generator is for; the last word keeps them all apart from the scenes' own, which have two words.
SPLIT, SHARED_TUNING, CORTEX, OWN_TUNING, CEILING, NOISE = range(1, 7)


def write(folder: Path, images: int, subjects: int, seed: int) -> None:
    """Write images.npy, masks.npy [S, 64, 64(, 3)], scenes.json and subject-<name>.npz for subjects 1, 2, ..."""
    scenes = [scene(seed, index) for index in range(images)]
    brains = {k: _brain(seed, k) for k in range(1, subjects + 1)}
    signals = _signals(scenes, brains)
    np.save(folder / "images.npy", np.stack([s.image for s in scenes]))
    np.save(folder / "masks.npy", np.stack([s.mask for s in scenes]))
    facts = {"captions": [s.caption for s in scenes], "split": split(images, seed)}
    (folder / "scenes.json").write_text(json.dumps(facts))
    for k, simulated in brains.items():
        _write_subject(folder / f"subject-{k}.npz", simulated.cortex, signals[k], seed, k)


def split(images: int, seed: int) -> list[str]:
    """train, val or test for every image: 80, 10 and 10 %, drawn by image."""
    tenth = images // 10
    order = _rng(seed, SPLIT).permutation(images)
    names = np.full(images, "train", dtype="<U5")
    names[order[:tenth]] = "test"
    names[order[tenth : 2 * tenth]] = "val"
    return [str(name) for name in names]


def _rng(seed: int, purpose: int, subject: int = 0) -> np.random.Generator:
    return np.random.default_rng([seed, purpose, subject, 1])


def _brain(seed: int, subject: int) -> brain.Brain:
    own = cortex.build(_rng(seed, CORTEX, subject))
    return brain.Brain(own, _rng(seed, SHARED_TUNING), _rng(seed, OWN_TUNING, subject))


def _signals(scenes: list[Scene], brains: dict[int, brain.Brain]) -> dict[int, NDArray[np.float32]]:
    parts: dict[int, list[NDArray[np.float32]]] = {k: [] for k in brains}
    for start in range(0, len(scenes), CHUNK):
        chunk = maps.stack(scenes[start : start + CHUNK])
        for k, simulated in brains.items():
            parts[k].append(simulated.signal(chunk))
    return {k: np.concatenate(chunks) for k, chunks in parts.items()}


def _write_subject(path: Path, voxels: cortex.Cortex, signal: NDArray[np.float32], seed: int, subject: int) -> None:
    ceiling = brain.ceilings(voxels, _rng(seed, CEILING, subject))
    np.savez(
        path,
        values=brain.measure(signal, ceiling, _rng(seed, NOISE, subject)),
        noise_ceiling=ceiling,
        coordinates=voxels.coordinates,
        hemisphere=voxels.hemisphere,
        vertex=voxels.vertex,
        roi_names=np.array(list(voxels.rois)),
        roi_masks=np.stack(list(voxels.rois.values())),
    )
