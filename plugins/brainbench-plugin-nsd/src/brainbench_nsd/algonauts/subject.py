"""One subject: everything there is, checked against one another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from brainbench import DataError, Stimuli, Surface
from brainbench.datasets import Images, Ledger, NpySource, Source, content_digest, open_npy, read_images, refuse_empty
from brainbench_nsd.algonauts.layout import SIDES, SubjectFolder
from brainbench_nsd.algonauts.masks import read_rois, read_vertices, surface_of
from brainbench_nsd.algonauts.names import Shown, read_names
from brainbench_nsd.splits import split_by_image


@dataclass(frozen=True)
class Subject:
    """One subject, checked.

    stimuli: the measured images, then the test images if they were asked for; source: [R, V] with one row a measured image and
    the left vertices first; surface: where they lie; rois: name -> bool [V]; split: [R] train/val/test.
    """

    stimuli: Stimuli
    source: Source
    surface: Surface
    rois: dict[str, np.ndarray]
    split: np.ndarray
    notes: tuple[str, ...]


def read_subject(folder: SubjectFolder, ledger: Ledger, seed: int, test_split: bool) -> Subject:
    """Read and check one subject; values are only looked at as far as shape and type go. DataError for what does not fit."""
    shown = read_names(folder.train_images, "train")
    withheld = read_names(folder.test_images, "test") if test_split else Shown((), ())
    sizes = {side: _vertices(folder, side, len(shown.files)) for side in SIDES}
    vertices = read_vertices(folder, sizes)
    rois, notes = read_rois(folder, vertices)
    images = read_images(folder.train_images, shown.files, ledger)
    unmeasured = read_images(folder.test_images, withheld.files, ledger)
    split = split_by_image(shown.nsd, images.digests, seed)
    refuse_empty(split, f"{folder.train_images}: the split by NSD image (split_seed {seed})")
    paths = tuple(folder.responses(side) for side in SIDES)
    key = content_digest(*(ledger.digest(path).encode() for path in paths))
    copies = len(images.digests) - len(set(images.digests))
    return Subject(
        stimuli=_stimuli(shown, images, withheld, unmeasured),
        source=NpySource(key, paths),
        surface=surface_of(vertices),
        rois=rois,
        split=split,
        notes=(
            *([f"{copies} images repeat another's content; they stay on one side of the split"] if copies else []),
            f"split 8:1:1 by a hash of the NSD image number (split_seed {seed}), alike in all subjects",
            *notes,
        ),
    )


def _vertices(folder: SubjectFolder, side: str, images: int) -> int:
    """How many vertices the responses of one side have."""
    path = folder.responses(side)
    if not path.exists():
        raise DataError(
            f"no {path}: the {SIDES[side]} hemisphere's responses are missing; unpack the subject's archive whole"
        )
    values = open_npy(path)
    if values.ndim != 2:
        raise DataError(f"{path} has shape {values.shape}, expected two axes: images x vertices")
    if values.dtype != np.float32 or not values.flags.c_contiguous:
        order = "C" if values.flags.c_contiguous else "Fortran"
        convert = (
            f"numpy.save(PATH, numpy.ascontiguousarray(numpy.load(PATH), numpy.float32)) with PATH = {str(path)!r}"
        )
        raise DataError(
            f"{path} is {values.dtype} in {order} order, expected float32 in C order; convert it once: {convert}"
        )
    if len(values) != images:
        raise DataError(
            f"{path} has {len(values)} rows, but there are {images} images in {folder.train_images}: "
            "one row an image; unpack the subject's archive again"
        )
    return int(values.shape[1])


def _stimuli(shown: Shown, images: Images, withheld: Shown, unmeasured: Images) -> Stimuli:
    both = Images(
        images.paths + unmeasured.paths,
        images.digests + unmeasured.digests,
        images.sizes + unmeasured.sizes,
        images.signatures + unmeasured.signatures,
    )
    ids = shown.files + withheld.files
    return Stimuli(ids, both.digests, both.open, unmeasured=tuple(range(len(shown.files), len(ids))))
