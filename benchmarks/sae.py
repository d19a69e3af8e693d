"""Similarity of the units of sparse autoencoders with voxels, on generated series: time and memory.

python benchmarks/sae.py [--layers L] [--units M] [--images N] [--voxels V] [--threads N] [--json]

The defaults are one layer of a ViT-B on NSD; --layers 12 is the whole network. Series are drawn layer by layer, as a fit reads
them; the time of drawing does not count.
"""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

import numpy as np
import torch
from brainbench_sae.similarity import BestUnits, blocks, standardised
from measure import machine, peak_gb


def measured(layers: int, units: int, images: int, voxels: int, threads: int) -> dict[str, Any]:
    """Seconds and peak memory of comparing all units with all voxels."""
    torch.set_num_threads(threads)
    chance = np.random.default_rng(0)
    weights = np.ones(images)
    responses, _, _ = standardised(chance.standard_normal((images, voxels), np.float32), weights)
    best = BestUnits(voxels, 1)
    wall = cpu = 0.0
    for layer in range(layers):
        series = chance.standard_normal((images, units), np.float32)
        started, spent = time.perf_counter(), time.process_time()
        standard, _, _ = standardised(series, weights)
        for some, correlations in blocks(standard, responses):
            best.offer(correlations, layer * units + some.start)
            correlations.max(dim=1)
        wall, cpu = wall + time.perf_counter() - started, cpu + time.process_time() - spent
    return {
        "layers": layers,
        "wall_s": round(wall, 1),
        "cpu_s": round(cpu, 1),
        "peak_gb": round(peak_gb(), 2),
        "mean_similarity": round(float(best.values.mean()), 3),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("layers", 1), ("units", 12_288), ("images", 9000), ("voxels", 7600), ("threads", 2)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    sizes = (given.layers, given.units, given.images, given.voxels, given.threads)
    found = machine() | measured(*sizes)
    print(json.dumps(found) if given.json else found)


if __name__ == "__main__":
    main()
