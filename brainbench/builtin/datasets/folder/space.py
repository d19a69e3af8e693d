"""Where voxels lie, as files of the field say it: the voxels of a volume's mask, or vertices of both hemispheres."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from brainbench import DataError, Surface
from brainbench.builtin.datasets.folder.grids import Grid, turn
from brainbench.builtin.datasets.folder.layout import MASK, SIDED_MASK, VERTICES, Layout
from brainbench.builtin.datasets.folder.neuroimaging import read_grid, read_surface_data, read_volume
from brainbench.datasets import Cortex, find_cortex, read_cortex, read_rows

MESHES = {"fsaverage5": 10_242}  # the mesh that comes with nilearn, and its vertices a side


@dataclass(frozen=True)
class Volume:
    """The V voxels of ``mask``, bool [X, Y, Z], in C order. grid: the mask's, which all other volumes must be on."""

    grid: Grid
    mask: np.ndarray

    @property
    def path(self) -> Path:
        """The mask's file."""
        return self.grid.path

    @property
    def voxels(self) -> int:
        """V."""
        return int(self.mask.sum())

    @property
    def coordinates(self) -> np.ndarray:
        """[V, 3] float32 in mm."""
        affine = self.grid.affine
        points: np.ndarray = np.argwhere(self.mask) @ affine[:3, :3].T + affine[:3, 3]
        return points.astype(np.float32)

    def values(self, path: Path) -> np.ndarray:
        """[V] values of another volume at these voxels, turned if its axes run otherwise; DataError if it is on another grid."""
        volume, grid = read_volume(path)
        return np.asarray(turn(volume, self.grid.orientation_of(grid, moved=grid))[self.mask])

    def turns(self, path: Path) -> bool:
        """Whether the volume has the same voxels in another order, by its affine."""
        grid = read_grid(path)
        return self.grid.orientation_of(grid, moved=grid) is not None


@dataclass(frozen=True)
class Vertices:
    """V vertices. path: the file that names them; hemisphere: V of "left"/"right"; vertex: V indices.

    sizes: vertices of the left and the right side of the mesh; cortex: the mesh, if there is one.
    """

    path: Path
    hemisphere: np.ndarray
    vertex: np.ndarray
    sizes: tuple[int, int]
    cortex: Cortex | None

    @property
    def voxels(self) -> int:
        """V."""
        return len(self.vertex)

    @property
    def coordinates(self) -> np.ndarray | None:
        """[V, 3] float32 in mm, the hemispheres apart, or None without a mesh."""
        return None if self.cortex is None else self.cortex.coordinates(self.hemisphere, self.vertex)

    @property
    def surface(self) -> Surface | None:
        """As figures are painted, or None without a mesh."""
        return None if self.cortex is None else Surface(self.cortex.name, self.hemisphere, self.vertex)

    def side(self, hemisphere: str) -> np.ndarray:
        """Indices of the vertices on one side, in the order of the voxels."""
        return np.asarray(self.vertex[self.hemisphere == hemisphere])

    def values(self, path: Path, hemisphere: str) -> np.ndarray:
        """[V] values of surface data of one hemisphere, 0 on the other; DataError unless there is one for each vertex."""
        data, size = read_surface_data(path), self.sizes[hemisphere == "right"]
        if len(data) != size:
            raise DataError(f"{path} has {len(data):,} vertices, but the {hemisphere} side of the mesh has {size:,}")
        found = np.zeros(self.voxels, data.dtype)
        found[self.hemisphere == hemisphere] = data[self.side(hemisphere)]
        return found


Space = Volume | Vertices


def read_space(layout: Layout, mesh: str | None) -> Space | None:
    """What the subject's files say of the voxel space, or None where they say nothing.

    mesh: a mesh by name, instead of ``surface/``. Raises DataError for a volume given for a surface, the reverse, masks and
    vertices that do not fit the mesh, and where two files say it.
    """
    mask, sides, table = layout.find(*MASK), layout.find_sides(*SIDED_MASK), layout.find(*VERTICES)
    given = [path.name for path in (mask, sides and sides[0], table) if path]
    if len(given) > 1:
        raise DataError(
            f"{layout.places[0]} holds {' and '.join(given)}: keep the one that says which voxels there are"
        )
    if mask:
        volume, grid = read_volume(mask)
        chosen = _chosen(volume)
        _refuse_empty(mask, chosen)
        return Volume(grid, chosen)
    cortex, where = _cortex(layout, mesh)
    if sides:
        return _of_masks(sides, cortex, where)
    if table:
        return _of_table(table, cortex)
    if cortex and where:
        every = np.arange(cortex.vertices)
        return _vertices(where, every, every, (cortex.vertices, cortex.vertices), cortex)
    return None


def _cortex(layout: Layout, mesh: str | None) -> tuple[Cortex | None, Path | None]:
    folder = layout.find("surface")
    if folder and mesh:
        raise DataError(f"{folder} is there, and dataset.toml names mesh {mesh!r} too: keep the one that is meant")
    if mesh:
        return find_cortex("", MESHES[mesh], "inflated", "mesh"), layout.places[-1] / "dataset.toml"
    return (read_cortex(folder), folder) if folder else (None, None)


def _of_masks(sides: tuple[Path, Path], cortex: Cortex | None, where: Path | None) -> Vertices:
    left, right = (_chosen(read_surface_data(path)) for path in sides)
    _refuse_empty(sides[0], left, right)
    for path, mask in zip(sides, (left, right), strict=True):
        if cortex and len(mask) != cortex.vertices:
            raise DataError(
                f"{path} has {len(mask):,} vertices, but {where} has {cortex.vertices:,} a side: take one mesh"
            )
    return _vertices(sides[0], np.flatnonzero(left), np.flatnonzero(right), (len(left), len(right)), cortex)


def _of_table(table: Path, cortex: Cortex | None) -> Vertices:
    if cortex is None:
        raise DataError(
            f'{table} is about a mesh: give it as surface/, or name it in dataset.toml (mesh = "fsaverage5")'
        )
    hemisphere, vertex = [], []
    for row in read_rows(table, ("hemisphere", "vertex")):
        side, index = row["hemisphere"], row.number("vertex")
        if side not in ("left", "right"):
            raise DataError(f"{row.where}: hemisphere {side!r}; allowed are left, right")
        if not 0 <= index < cortex.vertices:
            raise DataError(
                f"{row.where}: no vertex {index}; {cortex.name} has vertices 0 to {cortex.vertices - 1} a side"
            )
        hemisphere.append(side)
        vertex.append(index)
    return Vertices(table, np.array(hemisphere), np.array(vertex, int), (cortex.vertices, cortex.vertices), cortex)


def _vertices(
    path: Path, left: np.ndarray, right: np.ndarray, sizes: tuple[int, int], cortex: Cortex | None
) -> Vertices:
    hemisphere = np.repeat(np.array(["left", "right"]), [len(left), len(right)])
    return Vertices(path, hemisphere, np.concatenate([left, right]), sizes, cortex)


def _chosen(values: np.ndarray) -> np.ndarray:
    # NaN is how some programs mark what lies outside.
    return np.asarray(np.nan_to_num(values) != 0)


def _refuse_empty(path: Path, *masks: np.ndarray) -> None:
    if not any(mask.any() for mask in masks):
        raise DataError(f"{path} is zero everywhere: a mask is not zero where there is a voxel")
