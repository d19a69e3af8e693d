"""Labels on fsaverage: those of fsaverage itself, and a subject's own, carried over from the subject's mesh."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from brainbench import DataError
from brainbench_nsd.nsd.imaging import read_vertices
from brainbench_nsd.nsd.layout import SIDES, Layout, folder_of

# Drawn on fsaverage, for all subjects alike; the other classes were drawn in every subject.
_SHARED = ("nsdgeneral", "streams")


def read_labels(layout: Layout, subject: str, name: str, vertices: int) -> dict[str, np.ndarray] | None:
    """One class of labels, side -> [n] numbers on fsaverage; None if there are none of it.

    What a subject has of its own is carried over by ``transforms/{lh,rh}.white-to-fsaverage.mgz``; of nsdgeneral and streams,
    which were drawn on fsaverage, those of fsaverage come first. Raises DataError for one side alone and for another mesh.
    """
    places = (layout.own_labels(subject), layout.shared_labels)
    for place in reversed(places) if name in _SHARED else places:
        paths = _both(place, name)
        if paths is None:
            continue
        if place == layout.shared_labels:
            return {side: _expect(path, read_vertices(path), vertices) for side, path in paths.items()}
        if all(layout.transform(subject, side).is_file() for side in SIDES):
            return {side: _carried(layout, subject, side, path, vertices) for side, path in paths.items()}
    return None


def _both(place: Path, name: str) -> dict[str, Path] | None:
    paths = {side: place / f"{side}.{name}.mgz" for side in SIDES}
    missing = [path for path in paths.values() if not path.is_file()]
    if len(missing) == 1:
        raise DataError(f"no {missing[0]}, though its other hemisphere is there: both are needed")
    return None if missing else paths


def _carried(layout: Layout, subject: str, side: str, path: Path, vertices: int) -> np.ndarray:
    """[n] numbers on fsaverage; the transform counts the subject's vertices from 1 (nsdcode)."""
    own = read_vertices(path)
    transform = layout.transform(subject, side)
    index = _expect(transform, read_vertices(transform), vertices).astype(np.int64) - 1
    if index.min() < 0 or index.max() >= len(own):
        found = f"{path} has {len(own):,} vertices, but {transform} names vertex {index.max() + 1:,}"
        raise DataError(f"{found}: take both from {folder_of(subject)}")
    return np.asarray(own[index])


def _expect(path: Path, values: np.ndarray, vertices: int) -> np.ndarray:
    if len(values) != vertices:
        raise DataError(f"{path} has {len(values):,} vertices, but the betas have {vertices:,}: it is of another mesh")
    return values
