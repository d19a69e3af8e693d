"""Spectral embedding of 10^5 to 10^6 nodes held in float16 on disk: time and memory, beside the bare product of cosines.

python benchmarks/spectral.py [--nodes 100000,300000,1000000] [--channels N] [--sample N] [--neighbours K] [--threads N] [--json]

The floor: every block of nodes times the sub-sampled nodes, nothing else, on numbers already in memory at float32. Each size
runs in a process of its own, for its peak memory; the ratios are between sizes of one run.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from brainbench_alignedcut.neighbours import blocks
from brainbench_alignedcut.spectral import embed
from measure import in_a_process, machine, peak_gb
from numpy.typing import NDArray

COUNT = 20
CLUSTERS = 40


def write_nodes(path: Path, nodes: int, channels: int) -> None:
    """Nodes about 40 centres, float16 [nodes, channels], written block by block."""
    chance = np.random.default_rng(0)
    centres = chance.standard_normal((CLUSTERS, channels), np.float32)
    table = np.lib.format.open_memmap(path, mode="w+", dtype=np.float16, shape=(nodes, channels))
    for rows in blocks(nodes, channels):
        size = rows.stop - rows.start
        noise = chance.standard_normal((size, channels), np.float32)
        table[rows] = centres[chance.integers(CLUSTERS, size=size)] + 0.7 * noise
    table.flush()


def floor_s(nodes: int, channels: int, sample: int) -> tuple[float, float]:
    """(CPU, wall) seconds of the products of nodes with sub-sampled nodes."""
    landmarks = torch.randn(channels, sample)
    step = next(blocks(nodes, sample)).stop
    block, products = torch.randn(step, channels), torch.empty(step, sample)
    cpu, wall = time.process_time(), time.perf_counter()
    for _ in blocks(nodes, sample):
        torch.mm(block, landmarks, out=products)
    return time.process_time() - cpu, time.perf_counter() - wall


def measure(path: Path, sample: int, neighbours: int | None) -> dict[str, Any]:
    """One embedding of the nodes of a file; to be called in a process of its own."""
    table: NDArray[np.float16] = np.load(path, mmap_mode="r")
    floor_cpu, floor_wall = floor_s(*table.shape, min(sample, len(table)))
    before, cpu, wall = peak_gb(), time.process_time(), time.perf_counter()
    spectrum = embed(table, COUNT, sample=sample, neighbours=neighbours)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return {
        "nodes": len(table),
        "cpu_s": cpu,
        "wall_s": wall,
        "floor_cpu_s": floor_cpu,
        "floor_wall_s": floor_wall,
        "peak_gb": peak_gb(),
        "before_gb": before,
        "result_gb": spectrum.vectors.nbytes / 2**30,
    }


def report(sizes: list[int], channels: int, options: list[str]) -> list[dict[str, Any]]:
    """Every size in turn, with its time and memory as multiples of the first's and its nodes likewise."""
    rows: list[dict[str, Any]] = []
    for nodes in sizes:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "nodes.npy"
            write_nodes(path, nodes, channels)
            rows.append(json.loads(in_a_process(__file__, "--file", str(path), *options)))
        rows[-1] |= {f"{key}_ratio": rows[-1][key] / rows[0][key] for key in ("nodes", "cpu_s")}
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", default="100000,300000,1000000", help="comma list of sizes")
    parser.add_argument("--channels", type=int, default=128)
    parser.add_argument("--sample", type=int, default=5000)
    parser.add_argument("--neighbours", type=int, help="K of equation 4 instead of the Nystrom extension")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.file:
        print(json.dumps(measure(options.file, options.sample, options.neighbours)))
        return
    passed = [f"--sample={options.sample}", f"--threads={options.threads}"]
    passed += [f"--neighbours={options.neighbours}"] if options.neighbours else []
    rows = report([int(size) for size in options.nodes.split(",")], options.channels, passed)
    if options.json:
        print(json.dumps({**machine(), "rows": rows}, indent=2))
        return
    print(f"{machine()['processor']}, {options.threads} threads, torch {torch.__version__}")
    for row in rows:
        print("   ".join(f"{key} {value:,.4g}" for key, value in row.items()))


if __name__ == "__main__":
    main()
