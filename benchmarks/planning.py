"""CPU seconds and memory of planning, which is what ``--dry-run`` does, growing with the number of networks.

python benchmarks/planning.py [NETWORKS,NETWORKS,...]     (8 subjects of 10,000 images, 3 seeds, 2 encoders)
"""

from __future__ import annotations

import hashlib
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from measure import in_a_process, peak_gb

from brainbench import BackboneCard, DatasetCard, Masks, Responses, Stimuli
from brainbench.planning import estimate
from brainbench.planning.request import Request
from brainbench.plugins import Plugin
from brainbench.registry import Registry, installed
from brainbench.runner.benchmark import Benchmark
from brainbench.util.folders import Folders

SUBJECTS, IMAGES, VOXELS, SEEDS = 8, 10_000, 38_000, 3


class Data:
    """Eight subjects, each with images of their own."""

    subjects = tuple(str(number + 1) for number in range(SUBJECTS))
    version = "1"
    provides = frozenset({"responses"})

    def stimuli(self, subject: str) -> Stimuli:
        """Names and digests; nothing opens an image."""
        names = tuple(f"{subject}-{number}" for number in range(IMAGES))
        return Stimuli(names, tuple(hashlib.sha256(name.encode()).hexdigest() for name in names), _closed)

    def survey(self, subject: str) -> Responses:
        """Responses without their values."""
        split = np.array(["train"] * 8 + ["val", "test"])[np.arange(IMAGES) % 10]
        values = np.broadcast_to(np.float32(0), (IMAGES, VOXELS))
        return Responses(subject, values, np.arange(IMAGES), split, f"key of {subject}")

    responses = survey

    def masks(self, subject: str) -> Masks | None:
        """None."""

    def dissimilarities(self, subject: str) -> np.ndarray | None:
        """None."""


def _closed(row: int) -> Any:
    raise OSError(f"image {row}: a plan opens none")


def _never(**_: Any) -> Any:
    raise RuntimeError("a plan loads no network")


def dry_run(networks: int) -> str:
    """One line: CPU seconds and peak memory of a plan and its estimate."""
    cards = tuple(
        BackboneCard(name=f"net{number}/base", loader=_never, layers=12, width=768) for number in range(networks)
    )
    data = DatasetCard(name="data", loader=lambda *, settings, data, cache: Data())
    plugin = Plugin("scale", "scale-dist", "1.0", {"backbones": cards, "datasets": (data,)})
    own = [one for one in installed().plugins if one.error is None]
    registry = Registry([*own, plugin])
    request = Request("net*/*", "factortopy,classtoken", None, "data", seeds=SEEDS, controls=False)
    with tempfile.TemporaryDirectory() as folder:
        places = Folders(Path(folder, "results"), Path(folder, "boards"), Path(folder, "cache"))
        start = time.process_time()
        plan = Benchmark.open(request, registry, places, device="cpu").plan
        text = estimate.text(estimate.jobs(plan, "all"), plan)
        seconds = time.process_time() - start
    size = len(text) / 1e6
    return (
        f"{networks} networks, {len(plan.jobs)} jobs: {seconds:.1f} s of CPU, {peak_gb():.2f} GB, {size:.1f} MB of text"
    )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        print(dry_run(int(sys.argv[2])))
    else:
        for size in (sys.argv[1] if len(sys.argv) > 1 else "25,50,100,200").split(","):
            print(in_a_process(__file__, "--one", size), flush=True)
