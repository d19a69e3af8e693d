"""Calls as jobs of SLURM: a pretended one, whose commands are scripts on the path, and processes in its place."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from concurrent.futures import BrokenExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from brainbench_slurm import states
from brainbench_slurm.executor import Call, SlurmExecutor
from brainbench_slurm.plugin import SLURM
from brainbench_slurm.states import States, squeue

from brainbench import Queue, StoreError, UsageError

Load = Callable[..., SlurmExecutor]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    def go(workers: int = 0, **settings: Any) -> SlurmExecutor:
        found: SlurmExecutor = SLURM.loader(
            settings=SLURM.resolve_settings(settings), workers=workers, folder=tmp_path / "slurm"
        )
        return found

    return go


@pytest.fixture
def scripts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Put commands on the path, name=shell text; each adds its arguments to a log, whose path is returned."""
    place = tmp_path / "bin"
    place.mkdir()
    monkeypatch.setenv("PATH", f"{place}{os.pathsep}{os.environ['PATH']}")
    log = tmp_path / "asked"

    def go(**texts: str) -> Path:
        for name, text in texts.items():
            (place / name).write_text(f'#!/bin/sh\necho "{name} $@" >> {log}\n{text}\n')
            (place / name).chmod(0o755)
        return log

    return go


def fails(error: Exception) -> None:
    raise error


def test_an_executor_is_a_queue(load: Load) -> None:
    assert isinstance(load(cluster="debug"), Queue)


def test_a_machine_without_slurm_says_where_to_go(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(UsageError, match=r"engine slurm: this machine has no sbatch; .* --set slurm.cluster=local"):
        load()


def test_this_process_can_take_the_place_of_a_cluster(load: Load) -> None:
    executor = load(cluster="debug")
    first, second = executor.submit(os.getpid), executor.submit(pow, 2, 5)
    assert (first.result(9), second.result(9)) == (os.getpid(), 32)


def test_errors_come_back_as_they_are_told(load: Load) -> None:
    executor = load(cluster="debug")
    with pytest.raises(StoreError, match="the disk is full"):
        executor.submit(fails, StoreError("the disk is full")).result(9)
    with pytest.raises(BrokenExecutor, match=r"job DEBUG_\d+ of SLURM: ValueError: odd"):
        executor.submit(fails, ValueError("odd")).result(9)
    with pytest.raises(TypeError, match="give positional arguments only"):
        executor.submit(pow, base=2, exp=5)


@pytest.mark.slow
def test_processes_can_take_the_place_of_a_cluster(load: Load) -> None:
    executor = load(workers=2, cluster="local")
    assert executor.most == 2
    name, (first,) = executor.enqueue(os.getpid, [()])
    # Without a scheduler, the second wave begins when the first has ended.
    _, (second,) = executor.enqueue(os._exit, [(3,)], name)
    assert first.done()
    assert first.result() != os.getpid()
    with pytest.raises(BrokenExecutor, match=r"left nothing behind .*; its log is .*_log.err"):
        second.result(30)
    executor.shutdown()


def test_jobs_are_two_arrays_that_depend_on_each_other(
    load: Load, scripts: Callable[..., Path], tmp_path: Path
) -> None:
    count = tmp_path / "count"
    count.write_text("")
    asked = scripts(
        srun="", sbatch=f'echo >> {count}; cp "$1" {tmp_path}/script$(wc -l < {count}); echo "Submitted batch job 7$(wc -l < {count})"',
        squeue="", scancel="",
    )  # fmt: skip
    executor = load(workers=3, partition="gpu", gpus=1, minutes=30, setup="module load cuda")
    first, _ = executor.enqueue(pow, [(2, 1), (2, 2), (2, 3), (2, 4)])
    second, futures = executor.enqueue(pow, [(2, 5), (2, 6)], first)
    assert (first, second, executor.most) == ("71", "72", 1000)
    one, two = ((tmp_path / f"script{number}").read_text() for number in (1, 2))
    for line in (
        "#SBATCH --array=0-3%3", "#SBATCH --partition=gpu", "#SBATCH --gpus-per-node=1", "#SBATCH --time=30", "#SBATCH --requeue",
        "#SBATCH --mem=16GB", "#SBATCH --signal=USR2@90", "export OMP_NUM_THREADS=4", "module load cuda",
    ):  # fmt: skip
        assert line in one
    assert "--dependency" not in one
    assert "--account" not in one
    assert "#SBATCH --dependency=afterany:71" in two
    executor.shutdown(cancel_futures=True)
    assert "scancel 71 72" in asked.read_text()
    assert all(future.cancelled() for future in futures)


def test_what_sbatch_refuses_is_one_line(load: Load, scripts: Callable[..., Path]) -> None:
    scripts(srun="", sbatch="echo 'sbatch: error: invalid partition specified: gpu' >&2; exit 1")
    with pytest.raises(UsageError, match=r"engine slurm: sbatch refused the jobs: .*invalid partition specified: gpu"):
        load().enqueue(pow, [(2, 1)])


def test_a_job_that_slurm_does_not_know_any_more_has_ended(
    scripts: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    scripts(squeue="echo '7_0 RUNNING'; echo '7_1 OUT_OF_MEMORY'")
    result = tmp_path / "7_3"
    result.write_text("")
    jobs: list[Any] = [
        SimpleNamespace(job_id=number, paths=SimpleNamespace(result_pickle=tmp_path / number))
        for number in ("7_0", "7_1", "7_2", "7_3")
    ]
    monkeypatch.setattr(states, "_ASK_EVERY_S", -1.0)
    watch = States(slurm=True)
    # Its result may come late, from a file system that many machines share.
    assert watch.ended(jobs) == {"7_3": "COMPLETED"}
    assert watch.ended(jobs) == {"7_1": "OUT_OF_MEMORY", "7_2": "gone", "7_3": "COMPLETED"}


def test_a_controller_that_does_not_answer_ends_no_job(scripts: Callable[..., Path]) -> None:
    scripts(squeue="echo 'slurm_load_jobs error: Unable to contact slurm controller' >&2; exit 1")
    assert squeue(["7_0", "7_1"]) == {"7_0": "RUNNING", "7_1": "RUNNING"}
    scripts(squeue="echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1")
    assert squeue(["7_0"]) == {}


def test_a_call_goes_on_with_the_same_arguments() -> None:
    again = Call(pow).checkpoint(2, 5)
    assert again.function(*again.args) == (32, None)


def test_a_detached_executor_leaves_its_jobs(load: Load, scripts: Callable[..., Path]) -> None:
    asked = scripts(srun="", sbatch="echo 'Submitted batch job 5'", squeue="echo '5 RUNNING'", scancel="")
    executor = load()
    executor.submit(pow, 2, 5)
    started = time.monotonic()
    executor.shutdown(wait=False)
    assert time.monotonic() - started < 5
    assert "scancel" not in asked.read_text()
