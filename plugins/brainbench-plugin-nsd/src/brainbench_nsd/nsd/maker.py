"""A small simulated download: to try the dataset out, and for tests. Written session by session, so that it may be large."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from brainbench import UsageError
from brainbench.datasets import planted, write_cortex
from brainbench_nsd.nsd.layout import Layout
from brainbench_nsd.nsd.made_design import MadeDesign, write_design, write_log
from brainbench_nsd.nsd.made_images import write_brick
from brainbench_nsd.nsd.made_surface import SurfaceWriter
from brainbench_nsd.nsd.made_volume import VolumeWriter

_BETAS = "betas_fithrf_GLMdenoise_RR"
_NOISE = (0.3, 1.0)  # sd, of a signal of sd 1
_LABEL = (
    "Simulated by brainbench in the layout of the Natural Scenes Dataset. No brain was measured: every voxel reads four colours\n"
    "of the image, with noise of its own.\nMade with {}.\n"
)


def make(*, folder: Path, settings: Mapping[str, Any]) -> None:
    """Write a download into ``folder``; the same settings, the same values.

    settings: of the card's ``maker_settings``. Every voxel reads four colours of the image and has noise of its own, ncsnr being
    one over its sd; every session has a mean and a scale of its own, as scanner drift has. A voxel or two cannot be used: NaN on
    the surface, 0 in the volume. Raises UsageError for more trials than three an image, and more subjects or vertices than fit.
    """
    _check(settings)
    layout = Layout(folder)
    folder.mkdir(parents=True, exist_ok=True)
    said = ", ".join(f"{name}={value}" for name, value in settings.items())
    layout.marker.write_text(_LABEL.format(said), encoding="utf-8")
    design = MadeDesign.drawn(settings)
    write_design(layout, design)
    content = write_brick(layout.images, design.total, settings["seed"], settings["size"])
    surface = settings["space"] == "fsaverage"
    if surface:
        write_cortex(layout.fsaverage, settings["order"])
    for number in range(1, settings["subjects"] + 1):
        name = str(number)
        write_log(layout, name, design)
        place = layout.betas(name, settings["space"], _BETAS)
        place.mkdir(parents=True, exist_ok=True)
        writer = (SurfaceWriter if surface else VolumeWriter)(layout, name, place, settings)
        _write_betas(writer, content, design.shown(name), settings, settings["seed"] + number)


def _write_betas(
    writer: SurfaceWriter | VolumeWriter, content: np.ndarray, shown: np.ndarray, settings: Mapping[str, Any], seed: int
) -> None:
    rng = np.random.default_rng([seed, 2])
    noise = rng.uniform(*_NOISE, writer.voxels)
    writer.write_ncsnr((1 / noise).astype(np.float32))
    sessions = _sessions(planted(content, writer.voxels, seed, shown, noise), settings["trials"])
    for session, values in enumerate(sessions, start=1):
        values *= 1 + rng.random()
        values += rng.normal(0, 1, writer.voxels).astype(np.float32)
        writer.write_session(session, values)


def _sessions(blocks: Iterable[np.ndarray], trials: int) -> Iterator[np.ndarray]:
    """The same rows, so many at a time."""
    held: list[np.ndarray] = []
    for block in blocks:
        held.append(block)
        rows = np.concatenate(held)
        while len(rows) >= trials:
            yield rows[:trials].copy()
            rows = rows[trials:]
        held = [rows]


def _check(settings: Mapping[str, Any]) -> None:
    trials, most = settings["sessions"] * settings["trials"], 3 * settings["images"]
    if trials > most:
        text = f"nsd: {settings['sessions']} sessions of {settings['trials']} trials are {trials}"
        raise UsageError(
            f"{text}, but {settings['images']} images are shown {most} times at most: ask for fewer trials"
        )
    if settings["subjects"] > 8:
        raise UsageError(f"nsd: {settings['subjects']} subjects asked for: NSD has 8")
    vertices = 10 * 4 ** settings["order"] + 2
    if settings["space"] == "fsaverage" and settings["vertices_kept"] > vertices:
        kept = f"{settings['vertices_kept']} vertices of {vertices} a side asked for"
        raise UsageError(f"nsd: {kept}: order 7 has 163,842, or ask for fewer")
