"""Kills a worker, or the caller, of a run at a random moment, again and again, and compares what is left with an undisturbed run.

python benchmarks/torture_workers.py [--workers-killed 20] [--callers-killed 5] [--seed 0]

One try: `brainbench run --workers 2` of three networks on two subjects, in an empty folder, with an empty cache. A worker that
gets SIGKILL has to be replaced by the run itself; a caller that does takes its workers with it, and the same command goes on. In
the end every record (but for its cost) and board has to have the bytes of an undisturbed run, and no process may be left. Exit
1 if a try differs. A try takes about half a minute, most of which processes spend on importing.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RUN = ["--backbones", "pixels,random,imagenet/mini", "--encoders", "classtoken", "--subjects", "1,2", "--no-controls"]
RUN += ["--set", "demo.images=100", "--set", "classtoken.steps=20", "--workers", "2"]
WAIT_S = 0.02


def started(place: Path) -> subprocess.Popen[str]:
    """Start the run in ``place``."""
    folders = ["--results", str(place / "results"), "--leaderboards", str(place / "boards")]
    environment = os.environ | {"BRAINBENCH_CACHE": str(place / "cache"), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "brainbench", "run", *RUN, *folders]
    return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def workers(caller: int) -> list[int]:
    """Return the processes that do jobs, of which multiprocessing has one more to count what they share."""
    try:
        children = [int(number) for number in Path(f"/proc/{caller}/task/{caller}/children").read_text().split()]
        return [one for one in children if b"resource_tracker" not in Path(f"/proc/{one}/cmdline").read_bytes()]
    except (FileNotFoundError, ProcessLookupError):
        return []


def kill_a_worker(caller: subprocess.Popen[str], rng: random.Random) -> bool:
    """Kill a worker as soon as there is one; return whether there was."""
    while caller.poll() is None:
        if found := workers(caller.pid):
            os.kill(rng.choice(found), signal.SIGKILL)
            return True
        time.sleep(WAIT_S)
    return False


def at_work(run: subprocess.Popen[str]) -> float:
    """Wait for the first worker; return when it came."""
    while run.poll() is None and not workers(run.pid):
        time.sleep(WAIT_S)
    return time.monotonic()


def left(place: Path) -> dict[str, object]:
    """Return the records without cost and digest, and the bytes of the boards."""
    records = {path.name: json.loads(path.read_text()) for path in (place / "results").glob("*.json")}
    found: dict[str, object] = {name: {**one, "cost": None, "digest": None} for name, one in records.items()}
    return found | {path.name: path.read_bytes() for path in (place / "boards").glob("*")}


def torment(place: Path, victim: str, moment: float, rng: random.Random) -> str:
    """Run, kill, and go on; return what was wrong, or nothing, or that there was nobody to kill.

    moment: seconds from the first worker to the kill.
    """
    run = started(place)
    at_work(run)
    end = time.monotonic() + moment
    while time.monotonic() < end and run.poll() is None:
        time.sleep(WAIT_S)
    if victim == "worker":
        hit, orphans = kill_a_worker(run, rng), list[int]()
    else:
        orphans, hit = workers(run.pid), run.poll() is None
        run.kill()
    said = str(run.stderr.read() if run.stderr else "")
    code = run.wait()
    if not hit:
        return "nobody to kill"
    if victim == "caller":
        end = time.monotonic() + 20
        while orphans and time.monotonic() < end:
            orphans = [one for one in orphans if Path(f"/proc/{one}").exists()]
            time.sleep(WAIT_S)
        if orphans:
            return f"processes {orphans} outlived their caller"
        run = started(place)
        said, code = str(run.communicate()[1]), run.returncode
    return f"ended with {code}: {said[-1500:]}" if code else ""


def main() -> int:
    """Run the tries; return 1 if one of them left other bytes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers-killed", type=int, default=20)
    parser.add_argument("--callers-killed", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    rng = random.Random(given.seed)
    victims = ["worker"] * given.workers_killed + ["caller"] * given.callers_killed
    rng.shuffle(victims)
    with tempfile.TemporaryDirectory(prefix="torture-") as made:
        root = Path(made)
        run = started(root / "undisturbed")
        begun = at_work(run)
        said = run.communicate()[1]
        if run.returncode:
            print(said)
            return 1
        expected, lasts = left(root / "undisturbed"), time.monotonic() - begun
        print(f"undisturbed: {len(expected)} records and boards, workers for {lasts:.0f} s", flush=True)
        good = 0
        for number, victim in enumerate(victims, start=1):
            wrong = "nobody to kill"
            while wrong == "nobody to kill":
                place = root / f"try-{number}-{time.monotonic_ns()}"
                wrong = torment(place, victim, rng.uniform(0, 0.8) * lasts, rng)
                if wrong == "nobody to kill":  # the machine has become quicker
                    lasts *= 0.8
            wrong = wrong or ("" if left(place) == expected else "other bytes")
            good += not wrong
            print(f"{number} of {len(victims)}, {victim} killed: {wrong or 'same bytes'}", flush=True)
    print(f"{good} of {len(victims)} left the bytes of an undisturbed run")
    return int(good != len(victims))


if __name__ == "__main__":
    sys.exit(main())
