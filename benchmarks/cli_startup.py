"""How long the light commands take, beside what Python and click alone take: interleaved, medians, one run.

python benchmarks/cli_startup.py [--repeats 15] [--json]
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time

PROGRAM = "import sys; from brainbench.cli import main; main(sys.argv[1:])"
CASES = {
    "python": ["-c", "pass"],
    "import click": ["-c", "import click"],
    "--help": ["-c", PROGRAM, "--help"],
    "list": ["-c", PROGRAM, "list"],
    "list --json": ["-c", PROGRAM, "list", "--json"],
    "plugins": ["-c", PROGRAM, "plugins"],
}


def seconds(arguments: list[str]) -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    taken: dict[str, list[float]] = {name: [] for name in CASES}
    for _ in range(options.repeats):
        for name, arguments in CASES.items():
            taken[name].append(seconds(arguments))
    medians = {name: statistics.median(times) for name, times in taken.items()}
    click = medians["import click"]
    rows = {name: {"seconds": round(s, 4), "ratio_to_import_click": round(s / click, 2)} for name, s in medians.items()}
    if options.json:
        print(json.dumps(rows, indent=1))
        return
    for name, row in rows.items():
        print(f"{name:14s} {row['seconds'] * 1000:7.1f} ms   {row['ratio_to_import_click']:5.2f} x import click")


if __name__ == "__main__":
    main()
