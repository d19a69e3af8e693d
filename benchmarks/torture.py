"""Kills a run at random moments, again and again, and compares what it leaves with what an undisturbed run leaves.

python benchmarks/torture.py [--tries 100] [--seed 0]

One try: a run of two backbones, two encoders and two metrics (features, fits, records, boards) starts in an empty
folder with an empty cache, in half of the tries as two processes at once. They get SIGKILL at random moments, up to three times;
then the run goes on undisturbed. In the end every record (but for what it cost), array, parameter, board and token has to have
the same bytes as in the undisturbed run, and no fit's state may be left. Exit 1 if a try differs. A try takes some seconds:
processes are forked from one that has imported everything, so that kills hit the work and not the imports.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

import brainbench
from brainbench.fitting import engine, fit_store
from brainbench.fitting.closed_form import finish
from brainbench.fitting.fit_state import Snapshot

IMAGES, VOXELS, MOST_KILLS = 70, 6, 3
STEPS = 12
RESUMED = "goes on from a state that was kept"
# What a run leaves besides its results: locks, the mark of the folder, the log of lookups, and drafts that a kill cut short.
PASSING = (".lock", ".jsonl", ".draft", ".partial", ".runs")


def experiment(folder: Path) -> Path:
    """Write a subject who saw every image twice, one voxel with a NaN."""
    rng = np.random.default_rng(0)
    (folder / "images").mkdir(parents=True)
    pixels = rng.integers(0, 255, (IMAGES, 16, 16, 3), dtype=np.uint8)
    for number, picture in enumerate(pixels):
        Image.fromarray(picture).save(folder / f"images/im{number:03d}.png")
    colours = np.tile(pixels.mean(axis=(1, 2)) / 255, (2, 1))
    names = [f"im{number:03d}.png" for number in range(IMAGES)]
    values = colours @ rng.normal(size=(3, VOXELS)) + 0.05 * rng.normal(size=(2 * IMAGES, VOXELS))
    values[3, 5] = np.nan
    np.save(folder / "responses.npy", values.astype(np.float32))
    (folder / "stimuli.csv").write_text("\n".join(["image", *names, *names]) + "\n")
    return folder


class TellingStore(fit_store.FitStore):
    """Keeps the state of a fit after every step, and says when a fit goes on from one."""

    due = True

    def load(self) -> Snapshot | None:
        found = super().load()
        if found is not None:
            print(RESUMED, flush=True)
        return found


def mixed_run(place: Path, data: Path) -> None:
    """Do the whole run in ``place``."""
    os.environ["BRAINBENCH_CACHE"] = str(place / "cache")
    brainbench.run(
        "pixels,random",
        "classtoken,factortopy",
        "folder",
        data=data,
        metrics="r2,pearson",
        set=[f"*.steps={STEPS}", "*.epoch=4", "*.dim=8"],
        device="cpu",
        no_controls=True,
        results=place / "results",
        leaderboards=place / "boards",
    )


def started(place: Path, data: Path, log: Path) -> int:
    """Fork a process that does the run; return its number."""
    number = os.fork()
    if number:
        return number
    try:
        sys.stdout = sys.stderr = log.open("a")
        mixed_run(place, data)
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)
    os._exit(0)


def ended(numbers: list[int]) -> list[int]:
    """Wait for processes; return their exit codes, negative for a signal."""
    return [os.waitstatus_to_exitcode(os.waitpid(number, 0)[1]) for number in numbers]


def left(place: Path) -> dict[str, str]:
    """Return file -> sha256 of all that lasts. A record counts without its cost and the digest that covers it."""
    return {path.relative_to(place).as_posix(): sha for path in place.rglob("*") if (sha := _digest(path, place))}


def _digest(path: Path, place: Path) -> str | None:
    if not path.is_file() or any(part.endswith(PASSING) for part in path.relative_to(place).parts):
        return None
    content = path.read_bytes()
    if path.suffix == ".json" and path.parent == place / "results":
        content = json.dumps({**json.loads(content), "cost": None, "digest": None}, sort_keys=True).encode()
    return hashlib.sha256(content).hexdigest()


def moments(rng: random.Random, lasts: float) -> Iterator[float]:
    """Return how long to wait before each kill."""
    for _ in range(rng.randint(1, MOST_KILLS)):
        yield rng.uniform(0, lasts)


def torment(place: Path, data: Path, rng: random.Random, processes: int, lasts: float) -> list[str]:
    """Kill and go on, in the end undisturbed; return what was wrong with the exits, and where it was killed."""
    log = place.with_suffix(".log")
    for moment in moments(rng, lasts * processes):
        running = [started(place, data, log) for _ in range(processes)]
        time.sleep(moment)
        # Of two processes, sometimes one alone is killed and the other goes on.
        for victim in running if rng.random() < 0.5 else running[:1]:
            os.kill(victim, signal.SIGKILL)
        wrong = [code for code in ended(running) if code not in (0, -signal.SIGKILL)]
        if wrong:
            return [f"a process that was not killed ended with {wrong}: {log.read_text()[-2000:]}"]
    codes = ended([started(place, data, log) for _ in range(processes)])
    return [f"the last runs ended with {codes}: {log.read_text()[-2000:]}"] if any(codes) else []


def main() -> int:
    """Run the tries; return 1 if one of them left other bytes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tries", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="torture-") as made:
        root, rng = Path(made), random.Random(given.seed)
        data = experiment(root / "data")
        # Both engines, that of gradients and that of closed forms, keep their state in one.
        engine.FitStore = finish.FitStore = TellingStore
        # In this process, so that the forks find everything imported.
        mixed_run(root / "warm-up", data)
        begun = time.monotonic()
        if ended([started(root / "undisturbed", data, root / "log")]) != [0]:
            print((root / "log").read_text())
            return 1
        lasts = time.monotonic() - begun
        expected = left(root / "undisturbed")
        if expected != left(root / "warm-up"):
            print("two undisturbed runs differ:", _differing(expected, left(root / "warm-up")))
            return 1
        print(f"undisturbed: {len(expected)} files in {lasts:.1f} s", flush=True)
        outcomes: Counter[str] = Counter()
        resumed = 0
        for number in range(given.tries):
            place, processes = root / f"try-{number}", 1 + number % 2
            wrong = torment(place, data, rng, processes, lasts)
            wrong = wrong or _differing(expected, left(place))
            resumed += place.with_suffix(".log").read_text().count(RESUMED)
            outcomes["same bytes" if not wrong else "DIFFERENT"] += 1
            for line in wrong[:5]:
                print(f"try {number}, {processes} processes: {line}", flush=True)
            shutil.rmtree(place)
        told = ", ".join(f"{count} of {given.tries} {what}" for what, count in outcomes.items())
        print(f"{told}; {resumed} fits went on from a state that was kept")
        return int(outcomes["same bytes"] != given.tries)


def _differing(expected: dict[str, str], found: dict[str, str]) -> list[str]:
    names = sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))
    return [
        f"{name} is {'missing' if name not in found else 'new' if name not in expected else 'other'}" for name in names
    ]


if __name__ == "__main__":
    sys.exit(main())
