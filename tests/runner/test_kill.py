"""Runs that are killed, interrupted or doubled end as a run that nobody disturbed: the real command line, real signals."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

SUPPORT = Path(__file__).parents[1] / "support"
COMMAND = "run --backbones pausing/* --encoders pausingfit --metrics r2,count --dataset toydata --no-controls --set pausing.batch=32"
# Two fits by the training engine, of sixty steps each, with a look at the val split after fifty.
ENGINE = (
    "run --backbones pausing/one --encoders classtoken,factortopy --set *.steps=60 --metrics r2 --dataset toydata "
    "--subjects 1 --no-controls"
)
STEPS = 60
# Two networks, each with one job of its tokens alone and one fit a subject; 200 images are four chunks or seven batches.
JOBS, FITS, BATCHES = 6, 4, 14
PATIENCE_S = 300


class Process:
    """One ``brainbench run`` in the folder ``where``; pause_at: as support/pausing.py says."""

    def __init__(self, where: Path, plugin: Path, number: int, pause_at: str = "", command: str = COMMAND) -> None:
        self.marks = where.parent / f"{where.name}-{number}"
        self.log = self.marks.with_suffix(".log")
        environment = os.environ | {
            "PYTHONPATH": os.pathsep.join([str(plugin), str(SUPPORT)]),
            "HOME": str(where),
            "BRAINBENCH_CACHE": str(where / "cache"),
            "OMP_NUM_THREADS": "1",
            "PAUSE_AT": pause_at,
            "PAUSE_FILE": str(self.marks),
        }
        arguments = [sys.executable, "-m", "brainbench", *command.split()]
        with self.log.open("w") as log:
            self.process = subprocess.Popen(arguments, cwd=where, env=environment, stdout=log, stderr=log)

    def until(self, reached: Callable[[], bool]) -> None:
        """Wait; fails with what the run said when it ends before."""
        deadline = time.monotonic() + PATIENCE_S
        while not reached():
            assert self.process.poll() is None, f"the run ended before it was there:\n{self.log.read_text()}"
            assert time.monotonic() < deadline, f"the run never got there:\n{self.log.read_text()}"
            time.sleep(0.01)

    def until_paused(self) -> None:
        self.until(self.marks.exists)

    def signal(self, number: signal.Signals) -> int:
        """Send a signal; returns the exit code."""
        self.process.send_signal(number)
        return self.process.wait(PATIENCE_S)

    def go_on(self) -> None:
        """Leave the place where it is paused."""
        self.marks.with_suffix(".go").touch()

    def finish(self) -> dict[str, int]:
        """Let it end; returns how often it passed each place."""
        self.go_on()
        assert self.process.wait(PATIENCE_S) == 0, self.log.read_text()
        counted: dict[str, int] = json.loads(self.marks.with_suffix(".count").read_text())
        return counted

    def outcomes(self) -> dict[str, str]:
        """Job -> what became of it, as the log says."""
        lines = [line.split("] ", 1)[1] for line in self.log.read_text().splitlines() if line.startswith("[")]
        return dict(line.rsplit(": ", 1) for line in lines)


Starts = Callable[..., Process]


@pytest.fixture(scope="module")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that, on PYTHONPATH, is the installed distribution "pausing"."""
    site = tmp_path_factory.mktemp("site")
    about = site / "pausing-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: pausing\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[brainbench]\npausing = pausing\n")
    return site


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, plugin: Path) -> dict[str, bytes]:
    """What a run that nobody disturbs leaves behind."""
    where = tmp_path_factory.mktemp("undisturbed") / "run"
    where.mkdir()
    passed = Process(where, plugin, 0).finish()
    assert (passed["fit"], passed["tokens"], passed[".json"]) == (FITS, BATCHES, JOBS + 2)  # and plan and board
    return left_behind(where)


@pytest.fixture
def where(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    folder.mkdir()
    return folder


@pytest.fixture
def start(where: Path, plugin: Path) -> Iterator[Starts]:
    """``start(pause_at, command)``: a run in ``where``."""
    started: list[Process] = []

    def go(pause_at: str = "", command: str = COMMAND) -> Process:
        started.append(Process(where, plugin, len(started), pause_at, command))
        return started[-1]

    yield go
    for run in started:
        run.process.kill()
        run.process.wait()


def left_behind(where: Path) -> dict[str, bytes]:
    """Every file below results, leaderboards and the features, hidden ones too.

    Not what says who is at work; of records, all but what the job cost and the digest over it.
    """
    tops = [where / name for name in ("results", "leaderboards", "cache/features")]
    files = [
        p
        for top in tops
        for p in top.rglob("*")
        if p.is_file()
        and not {".locks", ".runs"} & set(p.parts)
        and not any(part.endswith(".draft") for part in p.parts)
    ]
    found = {p.relative_to(where).as_posix(): p.read_bytes() for p in files}
    for path in records(where):
        record = json.loads(path.read_text())
        del record["cost"], record["digest"]
        found[path.relative_to(where).as_posix()] = json.dumps(record).encode()
    return found


def records(where: Path) -> list[Path]:
    return sorted((where / "results").glob("*.json"))


def finished(where: Path) -> dict[Path, tuple[int, bytes]]:
    """The files of finished jobs and of whole chunks of features, with their time of change."""
    files = [p for record in records(where) for p in (where / "results").rglob("*") if record.stem in str(p)]
    for store in (where / "cache/features").glob("[!.]*"):
        for chunk in range(4):
            parts = [p for p in store.glob(f"*/*/c/{chunk}/**/*") if p.is_file() and p.suffix != ".partial"]
            files += parts if len(parts) == 4 else []
    return {p: (p.stat().st_mtime_ns, p.read_bytes()) for p in files if p.is_file()}


@pytest.mark.parametrize(
    ("stops", "redone"),
    [
        # The second network: before its store has a name, in the third chunk's batches, between that chunk's four files.
        ({"store:2": 3, "tokens:5": 3, "chunk:3": 3}, {"tokens": 3, "fit": 2}),
        ({"fit:3": 4}, {"fit": 2}),
        # The third fit's arrays, parameters and record, then the second of the two boards.
        ({".zarr:3": 4, ".safetensors:1": 4, ".json:2": 4, ".md:1": 6}, {}),
    ],
    ids=["extraction", "fit", "writing"],
)
def test_after_kill_9_the_same_command_finishes_what_was_in_flight(
    start: Starts, where: Path, undisturbed: dict[str, bytes], stops: dict[str, int], redone: dict[str, int]
) -> None:
    before: dict[Path, tuple[int, bytes]] = {}
    for place, done in stops.items():
        run = start(place)
        run.until_paused()
        assert run.signal(signal.SIGKILL) == -signal.SIGKILL
        assert len(records(where)) == done
        assert {path: now for path, now in finished(where).items() if path in before} == before
        before = finished(where)
    passed = start().finish()
    assert {place: passed.get(place, 0) for place in ("tokens", "fit")} == {"tokens": 0, "fit": 0} | redone
    assert {path: now for path, now in finished(where).items() if path in before} == before
    assert left_behind(where) == undisturbed


def test_two_runs_at_once_share_the_work(start: Starts, where: Path, undisturbed: dict[str, bytes]) -> None:
    first = start("fit:1")
    first.until_paused()
    second = start()
    # The second one has passed the tokens' job and now waits for the fit that the first one holds.
    second.until(lambda: "already done" in second.log.read_text())
    passed = [first.finish(), second.finish()]
    assert sum(p.get("fit", 0) for p in passed) == FITS
    assert sum(p.get("tokens", 0) for p in passed) == BATCHES
    by_first, by_second = first.outcomes(), second.outcomes()
    assert len(by_first) == JOBS
    assert all((by_first[job] == "already done") != (by_second[job] == "already done") for job in by_first)
    assert left_behind(where) == undisturbed


def test_ctrl_c_ends_in_one_line_and_keeps_what_was_finished(start: Starts, where: Path) -> None:
    run = start("fit:3")
    run.until_paused()
    kept = finished(where)
    assert run.signal(signal.SIGINT) == 130
    *_, last_job, end = [line for line in run.log.read_text().splitlines() if line]
    assert last_job.startswith("[4/6]")
    assert end == "brainbench: interrupted; finished jobs are kept. Run the same command again to resume."
    assert finished(where) == kept
    assert len(records(where)) == 4


def test_a_fit_that_was_killed_or_interrupted_goes_on_at_its_next_step(
    start: Starts, where: Path, plugin: Path, tmp_path: Path
) -> None:
    (tmp_path / "quiet").mkdir()
    assert Process(tmp_path / "quiet", plugin, 0, command=ENGINE).finish()["step"] == 2 * STEPS
    # In the second fit, before its twentieth step.
    killed = start(f"step:{STEPS + 20}", ENGINE)
    killed.until_paused()
    assert killed.signal(signal.SIGKILL) == -signal.SIGKILL
    assert len(records(where)) == 1
    assert [path.name for path in (where / "results/.fits").rglob("step-*")] == ["step-19.safetensors"]
    # In the middle of its step 55.
    interrupted = start(f"step:{55 - 19}", ENGINE)
    interrupted.until_paused()
    interrupted.process.send_signal(signal.SIGINT)
    interrupted.go_on()
    assert interrupted.process.wait(PATIENCE_S) == 130
    said = interrupted.log.read_text().splitlines()
    assert sum(": goes on from step 19 of 60, loss " in line for line in said) == 1
    assert said[-1].startswith("brainbench: interrupted; the fit is kept at step 55 of 60, loss ")
    assert ", val R2 " in said[-1]
    assert said[-1].endswith("; finished jobs are kept. Run the same command again to resume.")
    assert start("", ENGINE).finish()["step"] == 5
    assert left_behind(where) == left_behind(tmp_path / "quiet")
    assert not list((where / "results/.fits").iterdir())
