"""Surface betas of a simulated download, with labels on fsaverage and on a mesh of the subject's own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from brainbench.datasets import read_cortex
from brainbench_nsd.nsd.layout import SIDES, Layout
from brainbench_nsd.nsd.made_rois import numbered, write_tables
from brainbench_nsd.nsd.rois import CLASSES, GENERAL

_HEADER = 284  # bytes before the values of an .mgh file
_MORE = 10  # vertices that the subject's own mesh has more of
_TILT = {"lh": 0.0, "rh": 0.3}  # the mesh is alike on both sides, what is drawn on it is not
_USELESS = 2  # vertices of the left side without finite betas


class SurfaceWriter:
    """Writes one subject: labels and transforms at once, sessions one by one."""

    def __init__(self, layout: Layout, subject: str, place: Path, settings: Mapping[str, Any]) -> None:
        self._place, kept = place, settings["vertices_kept"]
        cortex = read_cortex(layout.fsaverage, "sphere")
        self._vertices = cortex.vertices
        self._kept = {side: _hindmost(getattr(cortex, word), kept, _TILT[side]) for side, word in SIDES.items()}
        self.voxels = 2 * kept
        rng = np.random.default_rng([settings["seed"], int(subject)])
        for side, vertex in self._kept.items():
            _write_labels(layout, subject, side, vertex, self._vertices, rng)
        write_tables(layout.own_labels(subject))

    def write_session(self, session: int, values: np.ndarray) -> None:
        """[trials, V], left before right, each side by its vertices' numbers; other vertices are 0."""
        values[:, :_USELESS] = np.nan
        for side, half in zip(self._kept, np.hsplit(values, 2), strict=True):
            path = self._place / f"{side}.betas_session{session:02d}.mgh"
            _write_header(path, (self._vertices, 1, 1, len(half)))
            mapped = np.memmap(path, ">f4", "r+", _HEADER, (len(half), self._vertices))
            mapped[:, self._kept[side]] = half
            mapped.flush()

    def write_ncsnr(self, ncsnr: np.ndarray) -> None:
        """Write ncsnr, [V], side by side as above."""
        for side, half in zip(self._kept, np.split(ncsnr, 2), strict=True):
            figures = np.zeros(self._vertices, np.float32)
            figures[self._kept[side]] = half
            write_vertices(self._place / f"{side}.ncsnr.mgh", figures)


def write_vertices(path: Path, values: np.ndarray) -> None:
    """One figure a vertex, as .mgh or .mgz."""
    import nibabel

    path.parent.mkdir(parents=True, exist_ok=True)
    image = nibabel.MGHImage(values.astype(np.float32).reshape(-1, 1, 1), np.eye(4))  # type: ignore[no-untyped-call]
    image.to_filename(path)


def _write_labels(
    layout: Layout, subject: str, side: str, vertex: np.ndarray, vertices: int, rng: np.random.Generator
) -> None:
    """Write nsdgeneral and streams on fsaverage, the others on a mesh that has the same vertices in another order."""
    own = rng.permutation(vertices + _MORE)[:vertices]
    write_vertices(layout.transform(subject, side), own + 1)
    inside = np.zeros(vertices, int)
    inside[vertex] = 1
    write_vertices(layout.shared_labels / f"{side}.{GENERAL}.mgz", inside)
    for name in CLASSES:
        numbers = np.zeros(vertices, int)
        numbers[vertex] = numbered(name, len(vertex))
        if name == "streams":
            write_vertices(layout.shared_labels / f"{side}.{name}.mgz", numbers)
            continue
        carried = np.zeros(vertices + _MORE, int)
        carried[own] = numbers
        write_vertices(layout.own_labels(subject) / f"{side}.{name}.mgz", carried)


def _hindmost(points: np.ndarray, count: int, tilt: float) -> np.ndarray:
    """The vertices at the back of the head, ascending."""
    return np.sort(np.argsort(points[:, 1] + tilt * points[:, 2], kind="stable")[:count])


def _write_header(path: Path, shape: tuple[int, ...]) -> None:
    from nibabel.freesurfer.mghformat import MGHHeader

    header: Any = MGHHeader()  # type: ignore[no-untyped-call]
    header.set_data_dtype(np.float32)
    header.set_data_shape(shape)
    with path.open("wb") as file:
        header.writehdr_to(file)
        file.truncate(_HEADER + 4 * int(np.prod(shape)))
