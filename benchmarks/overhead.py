"""What a run costs beside its jobs: thousands of jobs that sleep, planned, shared by processes, recorded, counted and ranked.

python benchmarks/overhead.py [--jobs 10000] [--workers 2] [--sleep-ms 10]

``handing out`` gives the jobs to processes that only sleep. ``whole jobs`` are those of a run: a lock, a note, a fit that
sleeps, its score and its record, without arrays (``--keep scores``). The overhead is the time per job beyond its sleep, which is
shared by the workers.
"""

from __future__ import annotations

import argparse
import importlib
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from brainbench.builtin.engines.local import load
from brainbench.commands.status import Watch
from brainbench.planning.request import Request
from brainbench.registry import installed
from brainbench.runner import workers
from brainbench.runner.benchmark import Benchmark
from brainbench.util.folders import Folders
from brainbench.util.progress import Silent

NETWORKS, SUBJECTS = 10, 10
# A plugin that is installed by being on the path, in the processes of workers too.
STUB = """
import os, time
import numpy as np, torch
from brainbench import *

class Data:
    subjects = tuple(map(str, range({subjects})))
    version = "1"
    provides = frozenset({{"responses"}})
    def stimuli(self, subject):
        names = tuple(f"{{number:064x}}" for number in range(10))
        return Stimuli(names, names, lambda row: __import__("PIL.Image").Image.new("RGB", (8, 8)))
    def responses(self, subject):
        split = np.array(["train"] * 6 + ["val"] * 2 + ["test"] * 2)
        return Responses(subject, np.eye(10, 4, dtype=np.float32), np.arange(10), split, "key of " + subject)
    def masks(self, subject): return None
    def dissimilarities(self, subject): return None

class Net:
    layers, module = ("one",), None
    def preprocess(self, image): return torch.zeros(3, 8, 8)
    def tokens(self, batch): return Tokens.from_local((batch,))

class Fit:
    history, notes, selectors = [], [], None
    def predict(self, features, stimuli): return np.zeros((len(stimuli), 4), np.float32)
    def parameters(self): return {{}}

class Sleeper:
    def fit(self, features, responses, context):
        nap()
        return Fit()

class Zero:
    def score(self, inputs): return Score({{"all": 0.0}})

def nap(*given):
    time.sleep(float(os.environ["STUB_S"]))
    from brainbench.runner.work import Told
    return Told((), ())

@hookimpl
def register_backbones():
    return [BackboneCard(name=f"stub/n{{number}}", loader=lambda *, weights, settings: Net()) for number in range({networks})]

@hookimpl
def register_encoders(): return [EncoderCard(name="sleeper", loader=lambda *, settings: Sleeper())]

@hookimpl
def register_metrics():
    needs = frozenset({{"predictions"}})
    return [MetricCard(name="zero", loader=lambda *, settings: Zero(), needs=needs, columns={{"all": "zero"}})]

@hookimpl
def register_datasets(): return [DatasetCard(name="stub", loader=lambda *, settings, data, cache: Data())]
"""


def handing_out(jobs: int, count: int, sleep: float) -> float:
    """Return milliseconds per job beyond its sleep, with processes that only sleep."""
    some: list[Any] = [
        SimpleNamespace(key=str(n), backbone=SimpleNamespace(display=str(n % NETWORKS))) for n in range(jobs)
    ]
    workers.work = importlib.import_module("brainbench_stub").nap
    order: Any = "an order"
    begun, early = 0.0, jobs // 10
    for number, _ in enumerate(
        workers.spread(some, order, lambda n: load(settings={}, workers=n, folder=Path()), count), 1
    ):
        # Without the start of processes.
        if number == early:
            begun = time.perf_counter()
    return 1e3 * ((time.perf_counter() - begun) / (jobs - early) - sleep / count)


def whole(jobs: int, count: int, sleep: float, place: Path) -> dict[str, str]:
    """Return the rows of the table of a whole run."""
    folders = Folders(place / "results", place / "boards", place / "cache")
    seeds = jobs // (NETWORKS * SUBJECTS)
    request = Request("stub/*", "sleeper", "zero", "stub", seeds=seeds, controls=False)
    start = time.perf_counter()
    benchmark = Benchmark.open(request, installed(), folders, device="cpu", keep="scores", workers=str(count))
    planned = time.perf_counter() - start
    first = last = 0.0
    early = len(benchmark.plan.jobs) // 10
    before = sum(os.times()[:4])
    for number, record in enumerate(benchmark.run(Silent()), 1):
        assert record.status == "done", record.failures
        last = time.perf_counter()
        first = last if number == early else first
        own = time.process_time()
    boards, of_boards = time.perf_counter() - last, time.process_time() - own
    # That of processes is known when they have ended.
    cpu = sum(os.times()[:4]) - before - of_boards
    watch = Watch(folders.results)
    looks = []
    for _ in range(2):
        start = time.perf_counter()
        assert watch.look().done == len(benchmark.plan.jobs)
        looks.append(time.perf_counter() - start)
    overhead = 1e3 * ((last - first) / (len(benchmark.plan.jobs) - early) - sleep / count)
    return {
        "planning": f"{planned:.1f} s, {1e3 * planned / jobs:.2f} ms a job",
        "whole jobs": f"{overhead:.2f} ms a job beyond their sleep; {1e3 * cpu / jobs:.2f} ms of CPU",
        "boards": f"{boards:.1f} s, {1e3 * boards / jobs:.2f} ms a job",
        "status": f"{looks[0]:.1f} s, {1e3 * looks[0] / jobs:.2f} ms a job; again: {looks[1]:.2f} s",
    }


def main() -> int:
    """Put the plugin on the path of a process of its own, which prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--sleep-ms", type=float, default=10.0)
    given = parser.parse_args()
    sleep = given.sleep_ms / 1e3
    if "STUB_S" in os.environ:
        print(f"{given.jobs} jobs of {given.sleep_ms:g} ms, {given.workers} workers", flush=True)
        with tempfile.TemporaryDirectory() as place:
            rows = whole(given.jobs, given.workers, sleep, Path(place))
        rows["handing out"] = f"{handing_out(given.jobs, given.workers, sleep):.2f} ms a job beyond their sleep"
        for name, figure in rows.items():
            print(f"{name:12}  {figure}")
        return 0
    with tempfile.TemporaryDirectory() as made:
        facts = Path(made) / "brainbench_stub-1.0.dist-info"
        facts.mkdir()
        (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: brainbench-stub\nVersion: 1.0\n")
        (facts / "entry_points.txt").write_text("[brainbench]\nstub = brainbench_stub\n")
        (Path(made) / "brainbench_stub.py").write_text(STUB.format(networks=NETWORKS, subjects=SUBJECTS))
        environment = os.environ | {"STUB_S": str(sleep), "PYTHONPATH": made, "OMP_NUM_THREADS": "1"}
        return subprocess.run([sys.executable, *sys.argv], env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
