"""Channel weights in closed form: how long a solution takes, by voxels, images and kept channels.

python benchmarks/closed_form.py [--voxels N] [--images N] [--layers N] [--kept N] [--json]
python benchmarks/closed_form.py --sweep voxels|images|kept

All voxels read in one cell of the grid, four places and the global token, so that a few of them are a fair slice of many: what
takes time for every pair of places (there are 385 on 8 x 8) and for every voxel is given apart, and adds up to a whole brain. CPU
times of one thread; tokens are random, responses are noise.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass, replace

import torch
from measure import machine

from brainbench.fitting import Selection
from brainbench.fitting.closed_form import Problem, image_folds, place_shares, solve, solver
from brainbench.fitting.closed_form.moments import moments
from brainbench.fitting.closed_form.places import groups

GRID = (2, 2)
PAIRS, WHOLE = 15, 385
SWEEPS = {"voxels": (20, 40, 80), "images": (500, 1000, 2000, 4000, 9000), "kept": (4, 8, 16, 32, 64)}


@dataclass(frozen=True)
class Size:
    """Sizes of a problem."""

    voxels: int
    images: int
    layers: int
    kept: int


def problem_of(size: Size) -> Problem:
    """Random tokens and responses, and voxels that read between the four places of the grid."""
    generator = torch.Generator().manual_seed(0)
    selection = Selection(
        torch.rand(size.voxels, 1, 2, generator=generator) * 0.8 - 0.4,
        torch.randn(size.voxels, size.layers, generator=generator).softmax(dim=1),
        torch.rand(size.voxels, generator=generator) * 0.8 + 0.1,
    )
    return Problem(
        tokens=torch.randn(size.images, 5, size.layers * size.kept, generator=generator),
        kept=(size.kept,) * size.layers,
        responses=torch.randn(size.images, size.voxels, generator=generator),
        trials=torch.ones(size.images, dtype=torch.float64),
        shares=place_shares(GRID, selection),
        layer=selection.layer,
        folds=image_folds(size.images, 0),
    )


def measured(size: Size, brain: int) -> dict[str, float]:
    """CPU seconds: of one pair of places, of one voxel, and of a brain of ``brain`` voxels on 8 x 8."""
    problem = problem_of(size)
    sets = problem.folds.fold.clamp_max(problem.folds.judged)
    blocks = list(groups(problem.shares, size.voxels))
    started = time.process_time()
    moments(problem.tokens, problem.trials, sets, blocks, torch.float32)
    pair = (time.process_time() - started) / PAIRS
    started = time.process_time()
    solve(problem)
    whole = time.process_time() - started
    voxel = max(0.0, whole - pair * PAIRS) / size.voxels
    return {"pair_s": pair, "voxel_s": voxel, "brain_s": WHOLE * pair + brain * voxel}


def main() -> None:
    """Measure one size, or a sweep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in (("voxels", 40), ("images", 1000), ("layers", 12), ("kept", 16), ("brain", 37_984)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--sweep", choices=SWEEPS)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    torch.set_num_threads(1)
    # As for a whole brain.
    solver._DOUBLE = 0.0
    size = Size(given.voxels, given.images, given.layers, given.kept)
    sizes = [replace(size, **{given.sweep: value}) for value in SWEEPS[given.sweep]] if given.sweep else [size]
    rows = [{**vars(one), **measured(one, given.brain)} for one in sizes]
    if given.json:
        print(json.dumps({"machine": machine(), "rows": rows}))
        return
    print(f"{'voxels':>8}{'images':>8}{'layers':>8}{'kept':>6}{'ms a pair':>12}{'ms a voxel':>12}{'s a brain':>12}")
    for row in rows:
        print(
            f"{row['voxels']:8}{row['images']:8}{row['layers']:8}{row['kept']:6}{row['pair_s'] * 1e3:12.1f}"
            f"{row['voxel_s'] * 1e3:12.2f}{row['brain_s']:12.0f}"
        )


if __name__ == "__main__":
    main()
