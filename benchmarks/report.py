"""Seconds and megabytes of a report: ten backbones, three subjects, synthetic records. Limits: 60 s, 25 MB.

python benchmarks/report.py [BACKBONES] [SUBJECTS]
"""

from __future__ import annotations

import hashlib
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from brainbench.metrics.bootstrap import DRAWS, packed
from brainbench.plot.meshes import SIDES, cortex
from brainbench.records import BackboneFacts, Cost, DatasetFacts, Display, EncoderFacts, MetricResult, Record
from brainbench.report import write_report
from brainbench.results.arrays import write_arrays
from brainbench.results.store import write_record
from brainbench.types import Surface

VOXELS, LAYERS, STEPS = 1200, 12, 20  # voxels a side
ROIS = ("V1", "V2", "V3", "hV4", "EBA", "FFA", "OPA", "PPA")


def main(backbones: int, subjects: int) -> None:
    """Write the records, make the report, print what it took."""
    with tempfile.TemporaryDirectory() as folder:
        results, out = Path(folder, "results"), Path(folder, "report")
        results.mkdir()
        for number in range(backbones):
            for subject in range(subjects):
                _fit(results, f"net/{number}", str(subject + 1))
        start = time.perf_counter()
        write_report(results, out)
        seconds = time.perf_counter() - start
        size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file()) / 2**20
    print(f"{backbones} backbones x {subjects} subjects: {seconds:.1f} s, {size:.1f} MB")


def _fit(results: Path, backbone: str, subject: str) -> None:
    rng = np.random.default_rng([len(backbone), *f"{backbone}{subject}".encode()])
    sheets = cortex(Surface("fsaverage5", np.array([]), np.array([])), None)
    assert sheets is not None
    flat = sheets.flat[SIDES[0]]
    used = np.unique(flat.faces)
    near = used[np.argsort(np.square(flat.points[used] - [60, 0]).sum(axis=1))]
    vertex = np.tile(np.sort(near[:VOXELS]), 2)
    area = np.arange(2 * VOXELS) % len(ROIS)
    arrays = {
        "selectors.layer": rng.dirichlet(np.ones(LAYERS), 2 * VOXELS).astype(np.float32),
        "selectors.space": rng.uniform(-1, 1, (2 * VOXELS, 2)).astype(np.float32),
        "selectors.scale": rng.uniform(0, 1, 2 * VOXELS).astype(np.float32),
        "selectors.correlation": rng.uniform(-1, 1, (LAYERS, LAYERS)).astype(np.float32),
        "selectors.likeness": rng.uniform(0, 1, (LAYERS, LAYERS)).astype(np.float32),
        "per_voxel.r2": rng.uniform(0, 0.5, 2 * VOXELS).astype(np.float32),
        "surface.vertex": vertex.astype(np.int32),
        "surface.right": np.repeat([False, True], VOXELS),
    } | {f"roi.{name}": area == number for number, name in enumerate(ROIS)}
    key = hashlib.sha256(f"{backbone}{subject}".encode()).hexdigest()
    names = [f"layer{number + 1}" for number in range(LAYERS)]
    figures = {name: float(rng.uniform(0, 0.5)) for name in ("all", *ROIS)}
    write_record(
        results,
        Record(
            key=key,
            status="done",
            dataset=DatasetFacts(
                "data", "data", "1", True, subject, 100, "k", 100, 2 * VOXELS, "r", f"s{subject}",
                {"train": 80, "val": 10, "test": 10}, rois={name: int((area == n).sum()) for n, name in enumerate(ROIS)},
            ),
            backbone=BackboneFacts(backbone, "net", "v1", "sha", None, False, "p 1", {}, {}),
            encoder=EncoderFacts("fit", "p 1", {}, {}),
            seed=0,
            grid="8",
            features_key=None,
            metrics={
                "r2": MetricResult(
                    "1",
                    Display({"all": "R2"}, roi_columns=True),
                    figures,
                    draws={name: packed(rng.normal(0, 0.02, DRAWS)) for name in figures},
                )
            },
            versions={"brainbench": "1"},
            cost=Cost(1.0, 1.0, "cpu"),
            history=[{"step": float(s), "loss": 1 / (s + 1), "val_r2": 0.3 - 1 / (s + 4)} for s in range(STEPS)],
            artifacts=write_arrays(results, key, arrays, {"layers": names, "mesh": "fsaverage5"}),
        ),
    )  # fmt: skip


if __name__ == "__main__":
    main(*(int(text) for text in (sys.argv[1:] or ["10", "3"])))
