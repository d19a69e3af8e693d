"""ROIs, wherever they are written: ``rois.csv``, a label volume ``rois.nii.gz``, and one mask a ROI in ``rois/``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from brainbench import DataError
from brainbench.builtin.datasets.folder.layout import ROI_VOLUME, ROIS, SIDES, Layout
from brainbench.builtin.datasets.folder.neuroimaging import read_surface_data
from brainbench.builtin.datasets.folder.space import Space, Volume
from brainbench.datasets import canonical_roi, read_rois, read_rows

_SUFFIXES = (".nii.gz", ".nii", ".mgz", ".mgh", ".label.gii", ".shape.gii", ".func.gii", ".gii")


def read_regions(layout: Layout, voxels: int, space: Space | None) -> dict[str, np.ndarray]:
    """Canonical ROI name -> bool [voxels]; what several files say of one ROI is joined.

    Raises DataError for a mask of another shape, for masks and labels without a voxel space, and for a file that is no mask.
    """
    table, labels = layout.find(*ROIS), layout.find(*ROI_VOLUME)
    found = read_rois(table, voxels) if table and not labels else {}
    if labels:
        found = _labelled(labels, table, space)
    for name, mask in _masks(layout.roi_masks(), space):
        canonical = canonical_roi(name)
        found[canonical] = found.get(canonical, np.zeros(voxels, bool)) | mask
    return found


def turned_rois(layout: Layout, space: Space | None) -> list[Path]:
    """Volumes of ROIs whose axes run otherwise than the mask's."""
    labels = layout.find(*ROI_VOLUME)
    paths = [*([labels] if labels else []), *layout.roi_masks()]
    return [path for path in paths if space.turns(path)] if isinstance(space, Volume) else []


def _labelled(labels: Path, table: Path | None, space: Space | None) -> dict[str, np.ndarray]:
    """Of a volume whose values the table's columns value and roi name; other values belong to no ROI."""
    if not isinstance(space, Volume):
        raise DataError(f"{labels} is a volume and needs mask.nii.gz, which says which voxels there are")
    if table is None:
        raise DataError(f"{labels} needs rois.csv (columns value, roi), which names its values")
    values, found = space.values(labels), dict[str, np.ndarray]()
    for row in read_rows(table, ("value", "roi")):
        name = canonical_roi(row["roi"])
        found[name] = found.get(name, np.zeros(space.voxels, bool)) | (values == row.number("value"))
    return found


def _masks(paths: list[Path], space: Space | None) -> Iterator[tuple[str, np.ndarray]]:
    """(name, bool [V]) of every file; a ROI may lie in one hemisphere alone."""
    for path in paths:
        suffix = next((suffix for suffix in _SUFFIXES if path.name.endswith(suffix)), None)
        if suffix is None:
            raise DataError(f"{path} is no mask: rois/ holds {', '.join(_SUFFIXES)} files, not zero where the ROI is")
        if space is None:
            raise DataError(f"{path} needs mask.nii.gz, or a surface/, to say where the voxels lie")
        name = path.name.removesuffix(suffix)
        side = next((side for side, short in SIDES.items() if name.startswith(f"{short}.")), None)
        if isinstance(space, Volume):
            yield name, _inside(_of_volume(path, side, space))
        elif side:
            yield name[3:], _inside(space.values(path, side))
        else:
            yield (
                name,
                _inside(_of_both(path, space.sizes, (space.hemisphere == "right") * space.sizes[0] + space.vertex)),
            )


def _of_volume(path: Path, side: str | None, space: Volume) -> np.ndarray:
    if side or path.suffix == ".gii":
        raise DataError(f"{path} is of a surface, but {space.path.name} of a volume: give a volume of the mask's shape")
    return space.values(path)


def _of_both(path: Path, sizes: tuple[int, int], place: np.ndarray) -> np.ndarray:
    """Of a file over all vertices of both sides, left first; place: where in it the voxels are."""
    if path.name.endswith((".nii", ".nii.gz")):
        raise DataError(
            f"{path} is a volume, but the voxels lie on a surface: give lh.{path.name.split('.')[0]}.mgz and rh."
        )
    data = read_surface_data(path)
    if len(data) != sum(sizes):
        found = f"{path} has {len(data):,} vertices, but both sides of the mesh together {sum(sizes):,}"
        raise DataError(f"{found}: name a file of one side lh. or rh.")
    return np.asarray(data[place])


def _inside(values: np.ndarray) -> np.ndarray:
    return np.asarray(np.nan_to_num(values) != 0)
