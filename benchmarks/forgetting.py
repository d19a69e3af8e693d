"""Does a network with a clear hierarchy forget less? Miniature networks, two generated tasks, brain score and slope.

python benchmarks/forgetting.py [--backbones '*/mini'] [--tasks texture,place] [--seeds 3] [--steps 3000] [--folder FOLDER]

Tunes every network on every task with every seed, fits the demo's brains before and after, and correlates the share of R2 that a
network lost, mean over tasks and seeds, with its hierarchy slope before. The interval is Fisher's, for networks like these.
Interrupted, the same command resumes. It says nothing of how well the networks still do what they were trained on.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

import pandas as pd
from measure import machine
from scipy import stats


def brainbench(*words: str) -> None:
    subprocess.run([sys.executable, "-m", "brainbench", *words], check=True)


def lost(table: pd.DataFrame) -> pd.DataFrame:
    """Per network: the share of R2 that was lost, its spread over tasks and seeds, and slope before."""
    r2, slope = (table[table["figure"] == name] for name in ("R2", "slope"))
    share = (1 - r2["share_kept"]).groupby(r2["backbone"])
    return pd.DataFrame({"lost": share.mean(), "sd": share.std(), "slope": slope.groupby("backbone")["before"].first()})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backbones", default="*/mini")
    parser.add_argument("--tasks", default="texture,place")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--folder", type=Path, default=Path("build/forgetting"))
    asked = parser.parse_args()
    tasks, boards = asked.tasks.split(","), asked.folder / "leaderboards"
    for task in tasks:
        brainbench(
            *("tune", asked.backbones, "--on", task, "--seeds", str(asked.seeds)),
            *("--set", f"tune.steps={asked.steps}", "--leaderboards", str(boards)),
        )
    ends = [f"@{task}{f'/seed-{seed}' if seed else ''}" for task in tasks for seed in range(asked.seeds)]
    after = [f"{name}{end}" for name in asked.backbones.split(",") for end in ends]
    brainbench(
        *("run", "--backbones", ",".join([asked.backbones, *after]), "--encoders", "factortopy", "--no-controls"),
        *("--results", str(asked.folder / "results"), "--leaderboards", str(boards)),
    )
    found = lost(pd.read_csv(boards / "demo.forgetting.csv"))
    print(machine())
    print(found.to_string(float_format="{:.3f}".format))
    r = stats.pearsonr(found["slope"], found["lost"])
    low, high = r.confidence_interval(0.95)
    print(f"correlation of slope and share lost: {r.statistic:.2f} [{low:.2f}, {high:.2f}], {len(found)} networks")


if __name__ == "__main__":
    main()
