"""Voxels to draw: a planted cortex, small tables of voxels, and records of them on disk."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from records import a_record

from brainbench import Selectors, Surface
from brainbench.builtin.datasets.demo import cortex
from brainbench.builtin.datasets.planted.truth import plant
from brainbench.metrics.bootstrap import DRAWS, packed
from brainbench.plot import Voxels
from brainbench.records import MetricResult, Record
from brainbench.results.arrays import of_selectors, of_voxels, write_arrays
from brainbench.results.store import write_record
from brainbench.types import ArrayNames
from brainbench.util.hashing import digest


@lru_cache(maxsize=4)
def planted(layers: int = 6, *, flat: bool = False) -> Voxels:
    """What the voxels of dataset ``planted`` read, as if a fit had found it exactly; flat: its control."""
    whole = cortex.build(np.random.default_rng(0), margin=8.0)
    truth = plant(whole, (8,) * layers, np.random.default_rng(1), flat=flat)
    likeness = np.exp(-np.abs(np.subtract.outer(np.arange(layers), np.arange(layers))))
    return Voxels(
        "toy/net, factortopy, subject 1",
        layers=tuple(f"layer{i + 1}" for i in range(layers)),
        layer=truth.layer,
        space=truth.space,
        scale=truth.scale,
        channel=truth.channel,
        r2=0.5 - 0.4 * truth.scale,
        correlation=likeness,
        likeness=likeness,
        rois=whole.rois,
        surface=Surface(cortex.MESH, whole.hemisphere, whole.vertex),
        records=(record(),),
        simulated=True,
    )


def table(count: int = 60, layers: int = 3, rois: tuple[str, ...] = ("V1", "EBA")) -> Voxels:
    """Voxels without a mesh."""
    rng = np.random.default_rng(0)
    likeness = np.eye(layers)
    return Voxels(
        "toy/net, factortopy, subject 1",
        layers=tuple(f"layer{i + 1}" for i in range(layers)),
        layer=rng.dirichlet(np.ones(layers), count),
        space=rng.uniform(-1, 1, (count, 2)),
        scale=rng.uniform(0, 1, count),
        channel=rng.normal(size=(count, 4)),
        r2=rng.uniform(-0.1, 0.4, count),
        correlation=likeness,
        likeness=likeness,
        rois={name: np.arange(count) % len(rois) == number for number, name in enumerate(rois)},
        records=(record(),),
    )


def record(subject: str = "1", backbone: str = "toy/net", **changes: Any) -> Record:
    """A finished job; its R2 is 0.3 of all voxels and 0.4 of V1, with draws of standard deviation 0.02."""
    rng = np.random.default_rng(int(subject))
    values = {"all": 0.3 + int(subject) / 100, "V1": 0.4 + int(subject) / 100}
    draws = {name: packed(rng.normal(0, 0.02, DRAWS)) for name in values}
    metrics = {"r2": MetricResult("1", values=values, draws=draws)}
    metrics["trust"] = MetricResult("1", values={"identifiability": 0.6, "aligned_r": 0.3})
    made = a_record(
        backbone,
        "factortopy",
        subject=subject,
        dataset={
            "name": "toy",
            "title": "toy",
            "simulated": True,
            "stimuli": 200,
            "split_sizes": {"train": 100, "val": 50, "test": 50},
            "rois": {"V1": 30},
            "noise_ceiling": {"all": 0.6, "V1": 0.7},
        },
        key=digest([backbone, subject]),
        features_key=None,
        metrics=metrics,
        history=[{"step": 50.0 * step, "loss": 1 / step, "val_r2": 1 - 1 / step} for step in range(1, 5)],
    )
    return replace(made, **changes)


def write_fit(folder: Path, one: Record, voxels: Voxels, without: tuple[str, ...] = ()) -> Path:
    """Write a record and the arrays of ``voxels`` beside it, as a run does; without: selectors that are left out."""
    folder.mkdir(exist_ok=True)
    kinds = {kind: None if kind in without else getattr(voxels, kind) for kind in ArrayNames.SELECTORS}
    selectors, layers = of_selectors(Selectors(voxels.layers, **kinds))
    scores = {} if voxels.r2 is None else {"r2": voxels.r2}
    known, mesh = of_voxels(scores, voxels.rois, voxels.surface)
    artifacts = write_arrays(folder, one.key, selectors | known, layers | mesh)
    return write_record(folder, replace(one, artifacts=artifacts))
