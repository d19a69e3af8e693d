"""Several subjects together: the map of their mean (Figure 5, top)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from brainbench.errors import UsageError
from brainbench.plot.voxels import Voxels
from brainbench.types import Surface

Pool = Callable[[Sequence[np.ndarray]], np.ndarray]


def together(parts: Sequence[Voxels], title: str) -> Voxels:
    """Average subjects vertex by vertex if they share a mesh, else concatenate their voxels.

    Channels are dropped, because every fit has its own. Raises UsageError if the subjects' layers differ.
    """
    if len({part.layers for part in parts}) > 1:
        raise UsageError(f"{title}: the subjects' layers differ: {' / '.join(str(part.layers) for part in parts)}")
    if len(parts) == 1:
        return replace(parts[0], title=title)
    meshes = {part.surface.mesh if part.surface else None for part in parts}
    return _pooled(parts, title, np.concatenate) if None in meshes or len(meshes) > 1 else _averaged(parts, title)


def _averaged(parts: Sequence[Voxels], title: str) -> Voxels:
    """Average each vertex over the subjects that have it. It is in an ROI if it is for at least half of them."""
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


def _pooled(parts: Sequence[Voxels], title: str, pool: Pool) -> Voxels:
    def of(kind: str, pool: Pool = pool) -> np.ndarray | None:
        arrays = [getattr(part, kind) for part in parts]
        return None if any(array is None for array in arrays) else pool(arrays)

    def over_subjects(arrays: Sequence[np.ndarray]) -> np.ndarray:
        return np.asarray(np.mean(arrays, axis=0))

    names = dict.fromkeys(name for part in parts for name in part.rois)
    return Voxels(
        title,
        layers=parts[0].layers,
        layer=of("layer"),
        space=of("space"),
        scale=of("scale"),
        r2=of("r2"),
        correlation=of("correlation", over_subjects),
        likeness=of("likeness", over_subjects),
        rois={name: pool([part.rois.get(name, np.zeros(part.count, bool)) for part in parts]) for name in names},
        records=tuple(record for part in parts for record in part.records),
        simulated=any(part.simulated for part in parts),
    )
