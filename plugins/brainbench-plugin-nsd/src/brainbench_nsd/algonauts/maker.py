"""A simulated directory in the release's layout, for trying things out and for tests; streamed, so that size costs no memory."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from brainbench.datasets import icosphere, planted, write_cortex, write_images
from brainbench_nsd.algonauts.layout import SIDES, SIMULATED, VERTICES, SubjectFolder

IMAGES = 73_000  # of NSD
ORDER = 7  # of the sphere that has as many vertices as fsaverage
SHARED = 0.1  # share of the images that all subjects see, as in NSD
ROIS = {
    "prf-visualrois": ("V1v", "V1d", "V2v", "V2d", "V3v", "V3d", "hV4"),
    "floc-bodies": ("EBA", "FBA-1", "FBA-2", "mTL-bodies"),
    "floc-faces": ("OFA", "FFA-1", "FFA-2", "mTL-faces", "aTL-faces"),
    "floc-places": ("OPA", "PPA", "RSC"),
    "floc-words": ("OWFA", "VWFA-1", "VWFA-2", "mfs-words", "mTL-words"),
    "streams": ("early", "midventral", "midlateral", "midparietal", "ventral", "lateral", "parietal"),
}
_LABEL = """Simulated, no brain was measured: pictures of coloured smudges, and responses that read them, in the layout of the
Algonauts 2023 release of NSD. Made by `brainbench data make algonauts2023` with {settings}.
"""


def make(*, folder: Path, settings: Mapping[str, Any]) -> None:
    """Write subj01, subj02 ... into ``folder``, labelled as simulated, and a synthetic fsaverage if it is wanted.

    Every vertex reads a few places of the pictures (signal and noise of sd 1). A tenth of the images is shared by the subjects;
    one image looks alike to all of them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    text = ", ".join(f"{name}={value}" for name, value in settings.items())
    (folder / SIMULATED).write_text(_LABEL.format(settings=text), encoding="utf-8")
    if settings["surface"]:
        write_cortex(folder / "fsaverage", ORDER)
    sphere = icosphere(ORDER)[0].astype(np.float32)
    for number, nsd in enumerate(_images_of_subjects(settings), start=1):
        _write_subject(SubjectFolder(folder / f"subj{number:02}"), number, nsd, sphere, settings)


def _images_of_subjects(settings: Mapping[str, Any]) -> list[np.ndarray]:
    """NSD image numbers of each subject, those with responses first, the test images after them; each part ascending."""
    train, test, subjects = settings["images"], settings["test_images"], settings["subjects"]
    shared = round(SHARED * train)
    drawn = np.random.default_rng(settings["seed"]).permutation(IMAGES)[: shared + subjects * (train - shared + test)]
    own = drawn[shared:].reshape(subjects, -1)
    return [
        np.concatenate([np.sort([*drawn[:shared], *some[: train - shared]]), np.sort(some[train - shared :])])
        for some in own
    ]


def _write_subject(
    folder: SubjectFolder, number: int, nsd: np.ndarray, sphere: np.ndarray, settings: Mapping[str, Any]
) -> None:
    train, seed, size = settings["images"], settings["seed"], settings["size"]
    content = write_images(folder.train_images, _names("train", nsd[:train]), seed, size, nsd[:train])
    write_images(folder.test_images, _names("test", nsd[train:]), seed, size, nsd[train:])
    for code, (side, name) in enumerate(SIDES.items()):
        vertices, own = settings[name], [seed, number, code]
        path = folder.responses(side)
        path.parent.mkdir(parents=True, exist_ok=True)
        _write_blocks(
            path, (train, vertices), planted(content, vertices, int(np.random.default_rng(own).integers(2**31)))
        )
        _write_masks(folder, side, sphere, vertices, np.random.default_rng([*own, 1]))


def _names(word: str, nsd: np.ndarray) -> list[str]:
    return [f"{word}-{row:04}_nsd-{image:05}.png" for row, image in enumerate(nsd.tolist(), start=1)]


def _write_blocks(path: Path, shape: tuple[int, int], blocks: Any) -> None:
    out = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=shape)
    start = 0
    for block in blocks:
        out[start : start + len(block)] = block
        start += len(block)
    out.flush()


def _write_masks(folder: SubjectFolder, side: str, sphere: np.ndarray, vertices: int, rng: np.random.Generator) -> None:
    """The vertices nearest to the back of the head, and ROIs as round patches among them."""
    pole = np.array([0.0, -1.0, 0.0]) + rng.normal(scale=0.05, size=3)
    vertex = np.sort(np.argpartition(sphere @ -pole, vertices - 1)[:vertices])
    folder.all_vertices(side).parent.mkdir(parents=True, exist_ok=True)
    np.save(folder.all_vertices(side), np.isin(np.arange(VERTICES), vertex).astype(np.float32))
    for kind, names in ROIS.items():
        numbers = _patches(sphere[vertex], len(names), rng)
        whole = np.zeros(VERTICES, np.int32)
        whole[vertex] = numbers
        np.save(folder.mask(side, kind, "challenge"), numbers)
        np.save(folder.mask(side, kind, "fsaverage"), whole)
        mapping = {0: "Unknown"} | dict(enumerate(names, start=1))
        np.save(folder.mapping(kind), np.array(mapping, dtype=object), allow_pickle=True)


def _patches(points: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """[V] int32: 1 .. count for the vertices near one of so many random centres, the nearest; 0 for the tenth furthest off."""
    centres = points[rng.choice(len(points), count, replace=False)]
    apart = -(points @ centres.T)
    numbers: np.ndarray = apart.argmin(axis=1).astype(np.int32) + 1
    nearest = apart.min(axis=1)
    numbers[nearest > np.quantile(nearest, 0.9)] = 0
    return numbers
