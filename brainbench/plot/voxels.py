"""What is painted: the voxels of a fitted encoder, read from a record and what is stored beside it, or a mean over subjects."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from brainbench.errors import UsageError
from brainbench.pipeline.results import read_arrays, read_record
from brainbench.records import Record
from brainbench.types import Surface


@dataclass(frozen=True)
class Voxels:
    """V voxels and what is known of each.

    title: whose they are, in words; layers: names; layer: [V, L], rows sum to 1; space: [V, 2] in [-1, 1], y downwards; scale:
    [V], 0 local .. 1 global; r2: [V]; rois: name -> bool [V]; surface: where they lie, None without a mesh; simulated: no brain
    was measured.
    """

    title: str
    layers: tuple[str, ...]
    layer: np.ndarray | None = None
    space: np.ndarray | None = None
    scale: np.ndarray | None = None
    r2: np.ndarray | None = None
    rois: Mapping[str, np.ndarray] = field(default_factory=dict)
    surface: Surface | None = None
    simulated: bool = False

    @property
    def count(self) -> int:
        """V."""
        return next(len(a) for a in (self.layer, self.scale, self.space, self.r2) if a is not None)

    def need(self, kind: str) -> np.ndarray:
        """The array ``layer``, ``space``, ``scale`` or ``r2``; UsageError when there is none."""
        array = getattr(self, kind)
        if array is None:
            what = "R2 per voxel" if kind == "r2" else f"{kind} selector"
            raise UsageError(
                f"{self.title}: there is no {what} to paint; fit factortopy, or an encoder with one, and keep r2"
            )
        return np.asarray(array)


Source = str | Path | Voxels


def voxels_of(source: Source) -> Voxels:
    """A record's path -> what is painted; raises StoreError when it is damaged, UsageError when nothing is kept beside it."""
    return source if isinstance(source, Voxels) else from_record(read_record(Path(source)), Path(source).parent)


def from_record(record: Record, folder: Path) -> Voxels:
    """The voxels of one record whose arrays lie in ``folder``."""
    found = read_arrays(folder, record)
    if record.encoder is None or found is None:
        raise UsageError(
            f"{folder / record.key}.json: no selectors or scores are kept beside this record; run it again with --keep all"
        )
    arrays, attributes = found
    rois = {name.removeprefix("roi."): np.asarray(a, bool) for name, a in arrays.items() if name.startswith("roi.")}
    surface = None
    if "surface.vertex" in arrays:
        side = np.where(arrays["surface.right"], "right", "left")
        surface = Surface(str(attributes["mesh"]), side, arrays["surface.vertex"])
    return Voxels(
        title=f"{record.backbone.name}, {record.encoder.name}, subject {record.dataset.subject}",
        layers=tuple(attributes.get("layers", ())),
        layer=arrays.get("selectors.layer"),
        space=arrays.get("selectors.space"),
        scale=arrays.get("selectors.scale"),
        r2=arrays.get("per_voxel.r2"),
        rois=rois,
        surface=surface,
        simulated=record.dataset.simulated,
    )


def together(parts: Sequence[Voxels], title: str) -> Voxels:
    """Several subjects as one: averaged where they share a mesh (Figure 5, top), else all their voxels.

    Raises UsageError when their layers differ.
    """
    if len({part.layers for part in parts}) > 1:
        raise UsageError(f"{title}: the subjects' layers differ: {' / '.join(str(part.layers) for part in parts)}")
    meshes = {part.surface.mesh if part.surface else None for part in parts}
    if len(parts) == 1:
        return replace(parts[0], title=title)
    return _pooled(parts, title, np.concatenate) if None in meshes or len(meshes) > 1 else _averaged(parts, title)


def _averaged(parts: Sequence[Voxels], title: str) -> Voxels:
    """Vertex by vertex, over those who have the vertex; it is in a ROI if it is for at least half of those."""
    surfaces = [part.surface for part in parts if part.surface is not None]
    places = [
        np.stack([surface.hemisphere == "right", surface.vertex], axis=1).astype(np.int64) for surface in surfaces
    ]
    common, index = np.unique(np.concatenate(places), axis=0, return_inverse=True)
    target = index.ravel()
    count = np.bincount(target, minlength=len(common))

    def mean(arrays: Sequence[np.ndarray]) -> np.ndarray:
        values = np.concatenate(arrays)
        total = np.zeros((len(common), *values.shape[1:]))
        np.add.at(total, target, values)
        return np.asarray(total / count.reshape(-1, *[1] * (total.ndim - 1)))

    whole = _pooled(parts, title, mean)
    surface = Surface(surfaces[0].mesh, np.where(common[:, 0] == 1, "right", "left"), common[:, 1])
    return replace(whole, rois={name: share >= 0.5 for name, share in whole.rois.items()}, surface=surface)


def _pooled(parts: Sequence[Voxels], title: str, pool: Callable[[Sequence[np.ndarray]], np.ndarray]) -> Voxels:
    def of(kind: str) -> np.ndarray | None:
        arrays = [getattr(part, kind) for part in parts]
        return None if any(array is None for array in arrays) else pool(arrays)

    names = dict.fromkeys(name for part in parts for name in part.rois)
    rois = {name: pool([part.rois.get(name, np.zeros(part.count, bool)) for part in parts]) for name in names}
    return Voxels(
        title=title,
        layers=parts[0].layers,
        layer=of("layer"),
        space=of("space"),
        scale=of("scale"),
        r2=of("r2"),
        rois=rois,
        simulated=any(part.simulated for part in parts),
    )
