"""Made-up fits on a patch of fsaverage5: records, and everything that a run keeps beside them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from fits import fit

from brainbench.metrics.bootstrap import DRAWS, packed
from brainbench.plot.meshes import SIDES, cortex
from brainbench.records import Display, MetricResult, Record
from brainbench.results.arrays import write_arrays
from brainbench.results.store import write_record
from brainbench.types import Surface

LAYERS = ("first", "second", "third")
_R2 = Display({"all": "R2", "all_of_ceiling": "of ceiling"}, roi_columns=True)


def patch(voxels: int) -> np.ndarray:
    """[voxels] vertices of a side, those nearest to one another on its flat map."""
    sheets = cortex(Surface("fsaverage5", np.array([]), np.array([])), None)
    assert sheets is not None
    flat = sheets.flat[SIDES[0]]
    used = np.unique(flat.faces)
    middle = flat.points[used].mean(axis=0)
    return np.sort(used[np.argsort(np.square(flat.points[used] - middle).sum(axis=1))[:voxels]])


def painted(
    folder: Path,
    backbone: str,
    *,
    subject: str = "1",
    voxels: int = 60,
    surface: bool = True,
    kept: bool = True,
    seed: int = 0,
    control: bool = False,
) -> Record:
    """A done job on two sides of ``voxels`` vertices each; V1 the first half of each, EBA the others; figures from its name.

    surface: whether the voxels lie on a mesh; kept: whether arrays lie beside the record.
    """
    rng = np.random.default_rng([seed, *f"{backbone} {subject}".encode()])
    first = np.tile(np.arange(voxels) < voxels // 2, 2)
    layer = rng.dirichlet(np.where(np.arange(3) == 0, 4.0, 1.0), 2 * voxels).astype(np.float32)
    layer[~first] = layer[~first, ::-1]
    r2 = np.where(first, 0.5, 0.2) + rng.normal(0, 0.05, 2 * voxels)
    arrays: dict[str, np.ndarray] = {
        "selectors.layer": layer,
        "selectors.space": rng.uniform(-1, 1, (2 * voxels, 2)).astype(np.float32),
        "selectors.scale": rng.uniform(0, 1, 2 * voxels).astype(np.float32),
        "selectors.correlation": np.eye(3, dtype=np.float32),
        "selectors.likeness": np.eye(3, dtype=np.float32),
        "per_voxel.r2": r2.astype(np.float32),
        "roi.V1": first,
        "roi.EBA": ~first,
    }
    attributes: dict[str, Any] = {"layers": list(LAYERS)}
    if surface:
        arrays |= {
            "surface.vertex": np.tile(patch(voxels), 2).astype(np.int32),
            "surface.right": np.repeat([False, True], voxels),
        }
        attributes["mesh"] = "fsaverage5"
    figures = {"all": float(r2.mean()), "V1": float(r2[first].mean()), "EBA": float(r2[~first].mean())}
    draws = {name: packed(rng.normal(0, 0.03, DRAWS)) for name in figures}
    record = fit(backbone, 0, subject=subject, seed=seed, control=control)
    record = replace(
        record,
        dataset=replace(
            record.dataset, voxels=2 * voxels, rois={"V1": voxels, "EBA": voxels}, split_sizes={"test": 40}
        ),
        metrics={"r2": MetricResult("1", _R2, figures | {"all_of_ceiling": 0.5}, draws=draws)},
        history=[{"step": 1.0, "loss": 0.5, "val_r2": 0.1}, {"step": 2.0, "loss": 0.4, "val_r2": 0.2}],
    )
    if kept:
        record = replace(record, artifacts=write_arrays(folder, record.key, arrays, attributes))
    write_record(folder, record)
    return record
