"""Several processes for one run: which does what, and what happens when one dies, is busy or is told to stop."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import toy

from brainbench import UsageError
from brainbench.builtin.engines.cards import LOCAL
from brainbench.builtin.engines.local import load
from brainbench.planning.request import Request
from brainbench.registry import installed
from brainbench.runner import workers
from brainbench.runner.benchmark import Benchmark
from brainbench.runner.work import Told
from brainbench.runner.workers import DIED, how_many, spread
from brainbench.util.folders import Folders
from brainbench.util.progress import Silent

Does = Callable[[str, bool], Told]


class Inline(Executor):
    """Does everything at once in this process; once a job has killed it, all else fails."""

    def __init__(self) -> None:
        self.dead = False

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        if self.dead:
            raise BrokenExecutor
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except BaseException as error:
            self.dead = isinstance(error, BrokenExecutor)
            future.set_exception(error)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Nothing goes on."""


def jobs(names: Sequence[str]) -> list[Any]:
    """``a1``: the first job of backbone a."""
    return [SimpleNamespace(key=name, backbone=SimpleNamespace(display=name[0])) for name in names]


def outcomes(monkeypatch: pytest.MonkeyPatch, names: Sequence[str], does: Does, many: int = 1) -> list[tuple[str, str]]:
    monkeypatch.setattr(workers, "work", lambda order, keys, wait: does(*keys, wait))
    made = list[int]()

    def engine(count: int) -> Executor:
        made.append(count)
        assert len(made) < 20
        return Inline()

    found = list(spread(jobs(names), SimpleNamespace(), engine, many))  # type: ignore[arg-type]
    return [(job.key, reason) for job, _, reason in found]


def test_every_worker_has_a_network_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = list[str]()

    def does(key: str, wait: bool) -> Told:
        asked.append(key)
        return Told((), ())

    done = outcomes(monkeypatch, ["a1", "a2", "a3", "b1", "b2", "c1"], does, many=2)
    assert asked == ["a1", "b1", "a2", "b2", "a3", "c1"]
    assert {reason for _, reason in done} == {""}


def test_a_job_that_another_run_is_at_is_waited_for_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = list[tuple[str, bool]]()

    def does(key: str, wait: bool) -> Told:
        asked.append((key, wait))
        return Told((key,) if key == "a1" and not wait else (), ())

    assert [key for key, _ in outcomes(monkeypatch, ["a1", "b1", "c1"], does)] == ["b1", "c1", "a1"]
    assert asked == [("a1", False), ("b1", False), ("c1", False), ("a1", True)]


def test_only_the_job_that_ends_two_processes_cannot_be_done(monkeypatch: pytest.MonkeyPatch) -> None:
    tries = dict[str, int]()

    def does(key: str, wait: bool) -> Told:
        tries[key] = tries.get(key, 0) + 1
        if key == "b1" or (key == "c1" and tries[key] == 1):
            raise BrokenExecutor
        return Told((), ())

    done = dict(outcomes(monkeypatch, ["a1", "b1", "c1", "d1"], does))
    assert done == {"a1": "", "b1": DIED, "c1": "", "d1": ""}
    assert tries == {"a1": 1, "b1": 2, "c1": 2, "d1": 1}


def test_what_is_wrong_with_a_disk_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    def does(key: str, wait: bool) -> Told:
        raise UsageError("the disk is full")

    with pytest.raises(UsageError, match="the disk is full"):
        outcomes(monkeypatch, ["a1", "b1"], does)


@pytest.mark.parametrize("asked", ["0", "-1", "two", "", "1.5"])
def test_workers_are_a_number_or_auto(asked: str) -> None:
    with pytest.raises(UsageError, match="allowed are auto and numbers from 1"):
        how_many(asked, SimpleNamespace(backbones=(), jobs=()), LOCAL, "cpu", 0.0)  # type: ignore[arg-type]


def test_auto_is_one_a_core_as_far_as_memory_and_jobs_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "cores", lambda: 8)
    monkeypatch.setattr(workers, "gpus", lambda: 3)
    monkeypatch.setattr(workers, "machine_memory", lambda: 20e9)
    plan: Any = SimpleNamespace(backbones=(), jobs=range(100))
    assert how_many("auto", plan, LOCAL, "cpu", 0.5e9) == 8
    assert how_many("auto", plan, LOCAL, "cpu", 3.5e9) == 4
    assert how_many("auto", plan, LOCAL, "cpu", 99e9) == 1
    assert how_many("auto", plan, LOCAL, "cuda", 0.5e9) == 3
    assert how_many("auto", plan, LOCAL, "cuda:1", 0.5e9) == 1
    assert how_many("12", plan, LOCAL, "cpu", 99e9) == 12
    assert how_many("auto", SimpleNamespace(backbones=(), jobs=range(2)), LOCAL, "cpu", 0.0) == 2  # type: ignore[arg-type]


def test_a_network_in_memory_stays_in_its_process(folders: Folders) -> None:
    registry = toy.registry([toy.backbone(weights="in memory")])
    request = Request(dataset="toydata", encoders="toyfit")
    assert Benchmark.open(request, registry, folders, device="cpu", workers="auto").workers == 1
    with pytest.raises(UsageError, match="workers=2: toy/net is in the memory of this process alone; use workers=1"):
        Benchmark.open(request, registry, folders, device="cpu", workers="2")


def test_auto_starts_no_processes_for_a_short_run(folders: Folders, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = list[list[str]]()

    def stop(jobs: Sequence[Any], *_: Any) -> Any:
        asked.append([job.key for job in jobs])
        return ()

    monkeypatch.setattr("brainbench.runner.benchmark.spread", stop)
    monkeypatch.setattr("brainbench.runner.benchmark._ALONE_S", 1e9)
    request = Request(dataset="toydata", encoders="toyfit")
    benchmark = Benchmark.open(request, toy.registry(), folders, device="cpu", workers="auto")
    assert len(list(benchmark.run(Silent()))) == len(benchmark.plan.jobs) == 3
    assert not asked
    # After its time alone, the others get what is left.
    monkeypatch.setattr("brainbench.runner.benchmark._ALONE_S", 1e-9)
    benchmark = Benchmark.open(request, toy.registry(), folders, device="cpu", workers="auto", fresh=True)
    assert len(list(benchmark.run(Silent()))) == 1
    assert [len(keys) for keys in asked] == [len(benchmark.plan.jobs) - 1]


def test_a_job_that_cannot_be_done_is_a_failed_row(folders: Folders, monkeypatch: pytest.MonkeyPatch) -> None:
    request = Request(dataset="toydata", encoders="toyfit", subjects="1")
    benchmark = Benchmark.open(request, toy.registry(), folders, device="cpu", workers="2")

    def died(jobs: Sequence[Any], *_: Any) -> Any:
        return ((job, None, DIED) for job in jobs)

    monkeypatch.setattr("brainbench.runner.benchmark.spread", died)
    (record, *_) = benchmark.run(Silent())
    assert record.status == "failed"
    (kept,) = {json.loads(path.read_text())["failure"]["message"] for path in folders.results.glob("*.json")}
    assert kept == DIED


@pytest.mark.slow
def test_local_processes_are_others_and_tell_when_one_dies() -> None:
    with load(settings={}, workers=1, folder=Path()) as pool:
        assert pool.submit(os.getpid).result() != os.getpid()
        with pytest.raises(BrokenExecutor):
            pool.submit(os._exit, 9).result()


@pytest.mark.slow
def test_two_processes_leave_the_bytes_that_one_does(tmp_path: Path) -> None:
    """Records apart from what they cost, and boards; jobs that were done before are not done again."""
    request = Request(
        backbones="pixels,random",
        encoders="classtoken",
        subjects="1,2",
        controls=False,
        settings=("demo.images=100", "classtoken.steps=3"),
    )
    found = {}
    for count in ("1", "2"):
        folders = Folders(tmp_path / count, tmp_path / f"boards{count}", tmp_path / f"cache{count}")
        benchmark = Benchmark.open(request, installed(), folders, device="cpu", workers=count)
        records = list(benchmark.run(Silent()))
        assert [record.key for record in benchmark.ordered(records)] == [job.key for job in benchmark.plan.jobs]
        assert {record.status for record in records} == {"done"}
        texts = {path.name: json.loads(path.read_text()) for path in folders.results.glob("*.json")}
        for text in texts.values():
            del text["cost"], text["digest"]
        boards = {path.name: path.read_bytes() for path in folders.leaderboards.iterdir()}
        found[count] = texts, boards
        assert len(texts) == len(records) == 6
    assert found["1"] == found["2"]
