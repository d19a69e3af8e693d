"""Made-up records of fitted encoders, with what is stored beside them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from records import a_record

from brainbench.records import Cost, Display, Failure, MetricResult, Record
from brainbench.results.arrays import write_arrays
from brainbench.results.artifacts import write_parameters
from brainbench.results.store import write_record

R2 = Display({"all": "R2"}, roi_columns=True)
COUNT = Display({"count": "images"}, direction="none", digits=0)


def fit(
    backbone: str, r2: float, *, subject: str = "1", seed: int = 0, control: bool = False, **facts: object
) -> Record:
    """A done job of the encoder "fit" on four voxels, two in V1; further fields of Record by name."""
    made = a_record(
        backbone,
        subject=subject,
        control=control,
        dataset={
            "stimuli": 9,
            "responses": 9,
            "voxels": 4,
            "responses_key": "r",
            "rois": {"V1": 2},
            "noise_ceiling": {"all": 0.6},
        },
        seed=seed,
        features_key=None,
        metrics={"r2": MetricResult("1", R2, {"all": r2, "V1": r2})},
        cost=Cost(1.5 + seed, 700.0, "cpu"),
    )
    network = replace(made.backbone, weights_sha256=None, parameters=2_000_000)
    made = replace(made, **{"backbone": network, **facts, "key": ""})  # type: ignore[arg-type]
    return replace(made, key=hashlib.sha256(repr(made).encode()).hexdigest())


def tokens(backbone: str) -> Record:
    """A done job of a backbone alone."""
    return fit(backbone, 0, encoder=None, metrics={"count": MetricResult("1", COUNT, {"count": 9.0})})


def failed(backbone: str) -> Record:
    """A job of the encoder "fit" that failed."""
    return fit(backbone, 0, metrics={}, status="failed", failure=Failure("p 1", "fit", "ValueError", "no"))


def stored(folder: Path, record: Record, arrays: Mapping[str, np.ndarray]) -> Record:
    """Write arrays and five parameters beside a record, and the record; returns it with their digests."""
    written = write_arrays(folder, record.key, arrays, {}) | write_parameters(folder, record.key, {"w": torch.zeros(5)})
    kept = replace(record, artifacts=written)
    write_record(folder, kept)
    return kept
