"""CPU seconds and memory of ``brainbench leaderboard``, growing with the rows of a board: 24 records a row.

python benchmarks/boards.py [ROWS,ROWS,...]     (416 rows are about 10,000 records, 300 MB)
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from brainbench.metrics.bootstrap import DRAWS, packed
from brainbench.records import BackboneFacts, Cost, DatasetFacts, Display, EncoderFacts, MetricResult, Record
from brainbench.results.store import write_record

SUBJECTS, SEEDS, IMAGES = 8, 3, 1000
ROIS = ("V1", "V2", "V3", "hV4", "OPA", "PPA", "EBA", "FFA")


def main(sizes: list[int]) -> None:
    """Print one line for each number of rows."""
    for rows in sizes:
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder)
            (place / "results").mkdir()
            for row in range(rows):
                _row(place / "results", row)
            seconds, peak = _leaderboard(place)
            size = sum(path.stat().st_size for path in (place / "boards").iterdir()) / 1e6
        print(
            f"{rows} rows, {rows * SUBJECTS * SEEDS} records: {seconds:.1f} s of CPU, {peak:.2f} GB, boards of {size:.1f} MB",
            flush=True,
        )


def _leaderboard(place: Path) -> tuple[float, float]:
    command = [
        sys.executable,
        "-m",
        "brainbench",
        "leaderboard",
        str(place / "results"),
        "--leaderboards",
        str(place / "boards"),
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    if status:
        raise SystemExit("brainbench leaderboard failed")
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 2**20


def _row(results: Path, row: int) -> None:
    """Write the records of one row: all subjects' rows share the noise of the test images, as real ones do."""
    rng = np.random.default_rng(row)
    quality = rng.uniform(0.1, 0.3)
    for subject in range(SUBJECTS):
        shared = np.random.default_rng([7, subject]).normal(0, 0.01, (1 + len(ROIS), DRAWS))
        for seed in range(SEEDS):
            names = ("all", *ROIS)
            figures = {name: float(quality + rng.normal(0, 0.01)) for name in names}
            draws = {
                name: packed(noise + rng.normal(0, 0.004, DRAWS)) for name, noise in zip(names, shared, strict=True)
            }
            write_record(
                results,
                Record(
                    key=hashlib.sha256(f"{row} {subject} {seed}".encode()).hexdigest(),
                    status="done",
                    dataset=DatasetFacts(
                        "data", "data", "1", True, str(subject), IMAGES, "k", IMAGES, 1000, "r", f"s{subject}",
                        {"train": 8 * IMAGES, "val": IMAGES, "test": IMAGES}, rois=dict.fromkeys(ROIS, 100),
                    ),
                    backbone=BackboneFacts(f"net/{row // 2}", "net", "v1", "sha", None, False, "p 1", {}, {}),
                    encoder=EncoderFacts(("fit", "other")[row % 2], "p 1", {}, {}),
                    seed=seed,
                    grid="8",
                    features_key=None,
                    metrics={
                        "r2": MetricResult(
                            "1", Display({"all": "R2"}, roi_columns=True, explanation={"all": "R2."}), figures, draws=draws
                        )
                    },
                    versions={"brainbench": "1"},
                    cost=Cost(1.0, 100.0, "cpu"),
                ),
            )  # fmt: skip


if __name__ == "__main__":
    main([int(rows) for rows in (sys.argv[1] if len(sys.argv) > 1 else "52,104,208,416").split(",")])
