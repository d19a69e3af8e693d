"""The cortical surface that vertices lie on: found, read and checked; nothing is ever downloaded."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from brainbench.datasets.spheres import MIRRORED, SYNTHETIC, left_side, vertices_of
from brainbench.errors import DataError
from brainbench.util.folders import home

GAP = 10.0  # mm between the hemispheres
_SIDES = {"left": "lh", "right": "rh"}
_GIFTI_NAMES = {"inflated": "infl"}  # nilearn's word for it
_WANTED = "a FreeSurfer folder (surf/lh.{0}, surf/rh.{0}) or nilearn's GIFTI files ({1}_left.gii.gz, {1}_right.gii.gz)"


@dataclass(frozen=True)
class Cortex:
    """Both hemispheres of one mesh.

    name: "fsaverage5", "fsaverage7" ..., "synthetic, order 7" for one that brainbench wrote, else the folder's name; left, right:
    [n, 3] in mm, as in the files, where the hemispheres may overlap.
    """

    name: str
    left: np.ndarray
    right: np.ndarray

    @property
    def vertices(self) -> int:
        """n, of one side."""
        return len(self.left)

    @property
    def synthetic(self) -> bool:
        """Whether brainbench made it: its vertices lie elsewhere than those of an fsaverage of as many."""
        return self.name.startswith(SYNTHETIC)

    def coordinates(self, hemisphere: np.ndarray, vertex: np.ndarray) -> np.ndarray:
        """[V, 3] float32 in mm, the two sides set apart along x, 10 mm between them.

        hemisphere: V of "left"/"right"; vertex: V indices from 0. Raises DataError for a vertex that the mesh does not have.
        """
        strange = np.flatnonzero((vertex < 0) | (vertex >= self.vertices))
        if strange.size:
            asked = f"vertex {vertex[strange[0]]} of the {hemisphere[strange[0]]} hemisphere"
            raise DataError(f"no {asked} on {self.name}: it has vertices 0 to {self.vertices - 1} a side")
        found = np.empty((len(vertex), 3), np.float32)
        for name, points, sign in (("left", self.left, -1), ("right", self.right, 1)):
            here = hemisphere == name
            found[here] = points[vertex[here]]
            found[here, 0] += sign * (GAP / 2 - (sign * points[:, 0]).min())
        return found


def read_cortex(place: Path, shape: str = "inflated") -> Cortex:
    """Read both hemispheres from a FreeSurfer subject, subjects or surf folder, or from a folder of GIFTI files.

    shape: "inflated" (the paper's), "sphere" or another that is there. Raises DataError for a folder that holds neither, a side
    that is missing, damaged, no surface or without finite coordinates, and for sides of different meshes.
    """
    if place.is_file():
        raise DataError(f"{place} is one file: a surface is given as {_wanted(shape)}")
    if not place.is_dir():
        raise DataError(f"no folder {place}: a surface is given as {_wanted(shape)}")
    files = _files(place, shape)
    (left, stamp), (right, _) = (_read(files[side]) for side in _SIDES)
    if len(left) != len(right):
        sides = f"{files['left']} has {len(left):,} vertices, {files['right']} {len(right):,}"
        raise DataError(f"{sides}: they are of different meshes; take both from one fsaverage")
    return Cortex(stamp if stamp.startswith(SYNTHETIC) else _name(len(left), place), left, right)


def find_cortex(given: str, vertices: int, shape: str, what: str) -> Cortex | None:
    """The surface with so many vertices a side, from where one usually has it; None if there is none.

    given: the folder a user named, "" for none: then nilearn's data folders ($NILEARN_SHARED_DATA, $NILEARN_DATA, ~/nilearn_data)
    and $SUBJECTS_DIR are looked through for an fsaverage, and at last what nilearn bundles (fsaverage5). what: has so many
    vertices, for messages. Raises DataError as ``read_cortex`` does, and when ``given`` has another number of vertices.
    """
    if given:
        cortex = read_cortex(Path(given).expanduser(), shape)
        if cortex.vertices != vertices:
            found = f"{given} ({cortex.name}) has {cortex.vertices:,} vertices a side"
            raise DataError(f"{found}, but {what} has {vertices:,}: give a surface of that mesh")
        return cortex
    for place in _usual_places(vertices):
        if _holds(place, shape):
            cortex = read_cortex(place, shape)
            if cortex.vertices == vertices:
                return cortex
    return None


def synthetic_cortex(order: int, shape: str = "inflated") -> Cortex:
    """What ``write_cortex`` writes, without files; UsageError for an order that is not 0 to 7.

    shape: "inflated" or "sphere".
    """
    left = left_side(order)[0][shape].astype(np.float32)
    return Cortex(f"{SYNTHETIC}{order}", left, left * np.array(MIRRORED, np.float32))


def _usual_places(vertices: int) -> Iterator[Path]:
    order = _order(vertices)
    if order is None:
        return
    names = [f"fsaverage{order}", *(["fsaverage"] if order == 7 else [])]
    listed = [os.environ.get(name, "") for name in ("NILEARN_SHARED_DATA", "NILEARN_DATA")]
    folders = [Path(text) for several in listed for text in several.split(os.pathsep) if text]
    if place := home():
        folders.append(place / "nilearn_data")
    if os.environ.get("SUBJECTS_DIR"):
        folders.append(Path(os.environ["SUBJECTS_DIR"]))
    yield from (folder / name for folder in folders for name in names)
    if order == 5:
        from nilearn.datasets import fetch_surf_fsaverage

        yield Path(fetch_surf_fsaverage("fsaverage5")["infl_left"]).parent


def _holds(place: Path, shape: str) -> bool:
    return any(path.exists() for side in _SIDES for path in _candidates(place, side, shape))


def _candidates(place: Path, side: str, shape: str) -> list[Path]:
    """Where the file of one side may lie, seen from the folder that was named."""
    surf = f"{_SIDES[side]}.{shape}"
    gifti = f"{_GIFTI_NAMES.get(shape, shape)}_{side}.gii"
    folders = (place, place / "surf", place / "fsaverage", place / "fsaverage" / "surf")
    return [folder / name for folder in folders for name in (surf, f"{gifti}.gz", gifti)]


def _files(place: Path, shape: str) -> dict[str, Path]:
    """Side -> file, both from one folder and of one format."""
    pairs = zip(*(_candidates(place, side, shape) for side in _SIDES), strict=True)
    for pair in pairs:
        there = [path for path in pair if path.exists()]
        if len(there) == 2:
            return dict(zip(_SIDES, pair, strict=True))
        if there:
            missing = next(path for path in pair if not path.exists())
            raise DataError(f"no {missing}, though {there[0].name} is there: both hemispheres are needed")
    raise DataError(f"{place} holds no {shape} surface: it must be {_wanted(shape)}")


def _read(path: Path) -> tuple[np.ndarray, str]:
    """One side: [n, 3] float32 in mm, and who made the file, as far as it says."""
    from nibabel.freesurfer.io import read_geometry
    from nibabel.gifti.gifti import GiftiImage

    try:
        if ".gii" in path.suffixes:
            points, stamp = GiftiImage.from_filename(path).agg_data("pointset"), ""  # type: ignore[no-untyped-call]
        else:
            points, _, stamp = read_geometry(path, read_stamp=True)  # type: ignore[no-untyped-call]
    except Exception as problem:  # a damaged file makes readers raise nearly anything
        raise DataError(f"{path} is damaged or no surface ({_brief(problem)}): copy it again") from problem
    if not isinstance(points, np.ndarray) or points.ndim != 2 or points.shape[1] != 3:
        raise DataError(f"{path} holds no surface: no list of vertices (x, y, z) is in it")
    bad = int((~np.isfinite(points).all(axis=1)).sum())
    if bad:
        raise DataError(f"{path}: {bad} of {len(points):,} vertices have no finite coordinates: copy it again")
    return points.astype(np.float32), stamp


def _brief(problem: Exception) -> str:
    return (str(problem) or type(problem).__name__).splitlines()[0]


def _name(vertices: int, place: Path) -> str:
    order = _order(vertices)
    return place.resolve().name if order is None else f"fsaverage{order}"


def _order(vertices: int) -> int | None:
    """The fsaverage that has so many vertices a side: 3 to 7, or None."""
    return next((order for order in range(3, 8) if vertices_of(order) == vertices), None)


def _wanted(shape: str) -> str:
    return _WANTED.format(shape, _GIFTI_NAMES.get(shape, shape))
