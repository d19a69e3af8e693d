"""A dataset of full size from nothing to a board: seconds and memory of `data make`, `data check` and `run`, each a process.

python benchmarks/full_size.py [--dataset algonauts2023|folder] [--sizes images=9841,...] [--backbones pixels,imagenet/mini]
    [--steps 200] [--folder DIR] [--json]

Anonymous memory is what a process made itself; resident memory also counts the pages of mapped files that happen to be there,
which the system takes back when it needs them. Both are looked at every 50 ms. The floor is one copy of the responses, float32.
`data check` is run twice, the second time with what the first remembered. Everything lies in DIR, or is deleted at the end.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from measure import machine

from brainbench.util.memory import EVERY_S

# Subject 1 of the Algonauts 2023 release; small images, since the networks of interest are small too.
SIZES = {
    "algonauts2023": "images=9841,test_images=159,left=19004,right=20544,size=32",
    "folder": "subjects=1,images=9841,voxels=39548,size=32",
}


def watched(arguments: Sequence[str], folder: Path) -> tuple[dict[str, Any], str]:
    """(what `brainbench ARGUMENTS` took, what it printed), run in ``folder`` with a cache of its own there."""
    environment = {**os.environ, "BRAINBENCH_CACHE": str(folder / "cache")}
    most = {"RssAnon": 0.0, "VmRSS": 0.0}
    started = time.perf_counter()
    with (
        (folder / "log.txt").open("a") as log,
        (folder / "out.txt").open("w") as out,
        subprocess.Popen(
            [sys.executable, "-m", "brainbench", *arguments], stdout=out, stderr=log, cwd=folder, env=environment
        ) as process,
    ):
        while process.poll() is None:
            for name, megabytes in memory(process.pid).items():
                most[name] = max(most.get(name, 0.0), megabytes)
            time.sleep(EVERY_S)
    seconds = time.perf_counter() - started
    if process.returncode:
        raise SystemExit(f"brainbench {' '.join(arguments)} ended with {process.returncode}: see {folder / 'log.txt'}")
    step = {"step": " ".join(arguments[:2]) if arguments[0] == "data" else arguments[0], "seconds": seconds}
    printed = (folder / "out.txt").read_text()
    return {**step, "peak_anonymous_mb": most["RssAnon"], "peak_resident_mb": most["VmRSS"]}, printed


def memory(process: int) -> dict[str, float]:
    """Anonymous and resident memory of a process just now, in MiB; nothing when it is over."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return {}
    cells = (line.split() for line in lines if line.startswith(("RssAnon:", "VmRSS:")))
    return {name.rstrip(":"): int(size) / 1024 for name, size, _ in cells}


def report(dataset: str, sizes: str, backbones: str, steps: int, folder: Path) -> dict[str, Any]:
    """Every step, in order."""
    settings = [word for size in sizes.split(",") for word in ("--set", size)]
    made, _ = watched(["data", "make", dataset, "data", *settings], folder)
    checks = [watched(["data", "check", "data", "--json"], folder) for _ in range(2)]
    found = json.loads(checks[0][1])
    told = [subject["facts"] for subject in found["subjects"].values()]
    fit = ["--backbones", backbones, "--encoders", "factortopy", "--set", f"factortopy.steps={steps}", "--no-controls"]
    run, printed = watched(["run", "--dataset", dataset, "--data", "data", *fit, "--json"], folder)
    return {
        "dataset": dataset,
        "sizes": sizes,
        "rows_x_voxels": [[one["responses"], one["voxels"]] for one in told],
        "floor_mb": sum(one["responses"] * one["voxels"] * 4 for one in told) / 2**20,
        "steps": [
            made,
            {**checks[0][0], "step": "data check, first"},
            {**checks[1][0], "step": "data check, again"},
            run,
        ],
        "jobs": [
            {
                "backbone": record["backbone"]["name"],
                "encoder": record["encoder"] and record["encoder"]["name"],
                "seconds": record["cost"]["wall_s"],
                "peak_anonymous_mb": record["cost"]["peak_anonymous_mb"],
                "r2": record["metrics"].get("r2", {}).get("values", {}).get("all"),
            }
            for record in json.loads(printed)
        ],
        **machine(),
    }


def table(result: Mapping[str, Any]) -> str:
    """For people."""
    sizes = ", ".join(f"{rows:,} x {voxels:,}" for rows, voxels in result["rows_x_voxels"])
    lines = [
        f"{result['dataset']}, {sizes}; {result['processor']}, torch {result['torch']}",
        "",
        f"{'':24}{'seconds':>10}{'anonymous MB':>15}{'resident MB':>14}{'floor MB':>11}",
    ]
    for step in result["steps"]:
        figures = f"{step['seconds']:10.1f}{step['peak_anonymous_mb']:15,.0f}{step['peak_resident_mb']:14,.0f}"
        lines.append(f"{step['step']:24}{figures}{result['floor_mb']:11,.0f}")
    for job in result["jobs"]:
        name = f"  {job['backbone']} x {job['encoder'] or 'tokens'}"
        r2 = "" if job["r2"] is None else f"   R2 {job['r2']:.3f}"
        lines.append(f"{name:34}{job['seconds']:.1f} s, {job['peak_anonymous_mb']:,.0f} MB in its record{r2}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", choices=SIZES, default="algonauts2023")
    parser.add_argument("--sizes", help="settings of what makes it, separated by commas, instead of the full size")
    parser.add_argument("--backbones", default="pixels,imagenet/mini")
    parser.add_argument("--steps", type=int, default=200, help="of FactorTopy")
    parser.add_argument("--folder", type=Path, help="where everything is kept; new or empty")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    sizes = asked.sizes or SIZES[asked.dataset]
    with tempfile.TemporaryDirectory(prefix="brainbench-full-") as place:
        folder = (asked.folder or Path(place)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        result = report(asked.dataset, sizes, asked.backbones, asked.steps, folder)
    print(json.dumps(result, indent=2) if asked.json else table(result))


if __name__ == "__main__":
    main()
