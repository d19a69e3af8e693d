"""A small simulated experiment in the layout of ``folder``: to try it out, and for tests."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from brainbench import UsageError
from brainbench.datasets import planted, synthetic_cortex, write_images

AREAS = ("V1", "V2", "V3", "hV4", "OPA", "EBA")
_MAX_VOXELS = 100_000
_PATCH = 0.25  # share of the cortex that the voxels take at most
_NOISE = (0.5, 1.5)  # sd, of a signal of sd 1
_ABOUT = """name = "made by brainbench"
licence = "CC0-1.0"
units = "sd of the signal"
simulated = true
"""


def make(*, folder: Path, settings: Mapping[str, Any]) -> None:
    """Write an experiment into ``folder`` as the README's "Your own data" describes it; the same settings, the same bytes.

    settings: of ``MAKER_SETTINGS``. Every voxel reads four colours of the image and has noise of its own, so that the noise
    ceiling is known; voxels cover the back of a synthetic cortex, areas from the pole forwards. With one subject all lies at the
    top. Raises UsageError for more than 100,000 voxels.
    """
    if settings["voxels"] > _MAX_VOXELS:
        raise UsageError(f"folder: {settings['voxels']} voxels asked for, at most {_MAX_VOXELS} can be made")
    names = [f"im{number:05d}.png" for number in range(1, settings["images"] + 1)]
    content = write_images(folder / "images", names, settings["seed"], settings["size"])
    (folder / "dataset.toml").write_text(_ABOUT, encoding="utf-8")
    count = settings["subjects"]
    for subject in range(1, count + 1):
        place = folder if count == 1 else folder / "subjects" / str(subject)
        _make_subject(place, content, names, settings, settings["seed"] + subject)


def _make_subject(place: Path, content: np.ndarray, names: list[str], settings: Mapping[str, Any], seed: int) -> None:
    place.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    voxels, rows = settings["voxels"], np.arange(len(names))
    if settings["repeats"] > 1:
        rows = rng.permutation(np.repeat(rows, settings["repeats"]))
        lines = "".join(f"{names[row]}\n" for row in rows)
        (place / "stimuli.csv").write_text(f"image\n{lines}", encoding="utf-8")
    noise = rng.uniform(*_NOISE, voxels)
    shape = (len(rows), voxels)
    values = np.lib.format.open_memmap(place / "responses.npy", mode="w+", dtype=np.float32, shape=shape)
    start = 0
    for block in planted(content, voxels, seed, rows, noise):
        values[start : start + len(block)] = block
        start += len(block)
    values.flush()
    np.save(place / "noise_ceiling.npy", (1 / (1 + noise**2)).astype(np.float32))
    coordinates, area = _patch(voxels)
    np.save(place / "coordinates.npy", coordinates)
    lines = "".join(f"{voxel},{AREAS[index]}\n" for voxel, index in enumerate(area))
    (place / "rois.csv").write_text(f"voxel,roi\n{lines}", encoding="utf-8")


def _patch(voxels: int) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates [V, 3] mm of the vertices nearest to the two occipital poles, left side first, and the area of each [V].

    The areas are bands of equal size, each further from the pole.
    """
    order, cortex = 3, synthetic_cortex(3)
    while 2 * cortex.vertices * _PATCH < voxels:
        order += 1
        cortex = synthetic_cortex(order)
    vertex, area = [], []
    sides = {"left": voxels - voxels // 2, "right": voxels // 2}
    for name, size in sides.items():
        nearest = np.argsort(getattr(cortex, name)[:, 1], kind="stable")[:size]
        vertex.append(nearest)
        area.append(np.arange(size) * len(AREAS) // max(size, 1))
    hemisphere = np.repeat(list(sides), list(sides.values()))
    return cortex.coordinates(hemisphere, np.concatenate(vertex)), np.concatenate(area)
