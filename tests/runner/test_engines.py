"""Runs whose jobs are done by an engine's executor, or handed to the queue of one."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import toy

from brainbench import EngineCard, PluginError, Queue, Setting, StoreError, UsageError
from brainbench.builtin.engines.cards import LOCAL
from brainbench.commands.status import Watch
from brainbench.planning.request import Request
from brainbench.records import Record
from brainbench.registry import Registry
from brainbench.runner.benchmark import Benchmark
from brainbench.runner.queued import hand_in
from brainbench.runner.work import Order, _opened, work
from brainbench.util.folders import Folders
from brainbench.util.progress import Silent


class Cluster(Executor):
    """Does every call at once, in this process; the jobs that die end their call."""

    def __init__(self, most: int = 100, dies: Callable[[str], bool] = lambda key: False, works: bool = True) -> None:
        self.most, self.dies, self.works = most, dies, works
        self.handed: list[tuple[str, list[tuple[str, ...]]]] = []
        self.ended: list[tuple[bool, bool]] = []

    def enqueue(
        self, function: Callable[..., Any], calls: Sequence[tuple[Any, ...]], after: str = ""
    ) -> tuple[str, list[Future[Any]]]:
        self.handed.append((after, [keys for _, keys, _ in calls]))
        futures = [self.submit(function, *call) for call in calls] if self.works else [Future() for _ in calls]
        return f"wave{len(self.handed)}", futures

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        order, keys, wait = args
        for key in keys:
            if self.dies(key):
                future.set_exception(BrokenExecutor("killed: out of memory"))
                return future
            try:
                told = fn(order, (key,), wait)
            except Exception as error:
                future.set_exception(error)
                return future
        future.set_result(told)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self.ended.append((wait, cancel_futures))


def registry(cluster: Executor, **facts: Any) -> Registry:
    """The toy registry with two networks and the engine ``farm``."""
    card = EngineCard(
        name="farm",
        loader=lambda *, settings, workers, folder: cluster,
        settings=(Setting("gpus", int, 0, "GPUs of a job"), Setting("minutes", int, 60, "time limit", minimum=1)),
        **{"queue": True, **facts},
    )
    return toy.registry([toy.backbone("toy/a"), toy.backbone("toy/b")], engines=(LOCAL, card))


def opened(registry: Registry, folders: Folders, **asked: Any) -> Benchmark:
    how = {name: asked.pop(name) for name in ("workers", "device", "retry_failed", "detach", "fresh") if name in asked}
    plain = {"backbones": "toy/*", "dataset": "toydata", "encoders": "toyfit", "engine": "farm", "metrics": "r2"}
    return Benchmark.open(Request(**{**plain, **asked}), registry, folders, **{"device": "cpu", **how})


@pytest.fixture
def done(folders: Folders, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Record]]:
    """Run on a cluster whose processes have the same registry."""

    def go(cluster: Cluster, **asked: Any) -> list[Record]:
        there = registry(cluster)
        monkeypatch.setattr("brainbench.runner.work.installed", lambda: there)
        # Each run has processes of its own.
        _opened.cache_clear()
        return list(opened(there, folders, **asked).run(Silent()))

    return go


def test_a_queue_is_a_brainbench_queue() -> None:
    assert isinstance(Cluster(), Queue)


def test_jobs_that_read_tokens_come_before_those_that_find_them(done: Callable[..., list[Record]]) -> None:
    cluster = Cluster()
    records = done(cluster, workers="auto")
    (_, first), (after, second) = cluster.handed
    # Both subjects saw the same pictures: one job for each network reads their tokens.
    assert (len(first), after, len(second)) == (2, "wave1", 2)
    assert {record.status for record in records} == {"done"}
    assert len(records) == 4
    assert cluster.ended == [(True, False)]


def test_a_call_does_several_jobs_if_there_are_more_than_the_queue_takes(done: Callable[..., list[Record]]) -> None:
    cluster = Cluster(most=1)
    assert len(done(cluster)) == 4
    assert [[len(keys) for keys in calls] for _, calls in cluster.handed] == [[2], [2]]


def test_a_joint_backbone_waits_for_its_networks() -> None:
    def job(key: str, *passes: str) -> Any:
        networks = [SimpleNamespace(reading=one) for one in passes]
        return SimpleNamespace(
            key=key, backbone=SimpleNamespace(display=key), tokens=SimpleNamespace(networks=networks)
        )

    cluster = Cluster(works=False)
    waves = hand_in(
        [job("a", "a"), job("b", "b"), job("ab", "a", "b"), job("bc", "b", "c")], SimpleNamespace(), cluster
    )  # type: ignore[arg-type]
    assert [calls for _, calls in cluster.handed] == [[("a",), ("b",), ("bc",)], [("ab",)]]
    assert [wave.jobs for wave in waves] == [3, 1]


def test_a_job_that_dies_fails_and_what_its_process_did_before_stays(
    done: Callable[..., list[Record]], folders: Folders
) -> None:
    keys = [record.key for record in done(Cluster())]
    cluster = Cluster(most=1, dies=lambda key: key == keys[1])
    records = done(cluster, fresh=True)
    # A process does its jobs in order: what came before the death is whole.
    (call,) = [call for _, calls in cluster.handed for call in calls if keys[1] in call]
    failed = {record.key: record.failures[0].message for record in records if record.failures}
    assert failed == dict.fromkeys(call[call.index(keys[1]) :], "killed: out of memory")


def test_retry_failed_does_what_failed_and_nothing_else(done: Callable[..., list[Record]]) -> None:
    keys = [record.key for record in done(Cluster())]
    done(Cluster(dies=lambda key: key in keys[:2]), fresh=True)
    cluster = Cluster()
    assert sorted(record.key for record in done(cluster, retry_failed=True)) == sorted(keys[:2])
    assert sorted(key for _, calls in cluster.handed for call in calls for key in call) == sorted(keys[:2])
    assert done(Cluster(), retry_failed=True) == []


def test_detached_jobs_go_on_and_no_boards_are_written(done: Callable[..., list[Record]], folders: Folders) -> None:
    cluster = Cluster(works=False)
    assert done(cluster, detach=True) == []
    assert cluster.ended == [(False, False)]
    assert not list(folders.leaderboards.iterdir())
    assert len(Watch(folders.results).look().waiting) == 4
    # Whoever comes later finishes it, and nothing waits any more.
    assert len(done(Cluster())) == 4
    assert list(folders.leaderboards.iterdir())
    assert (Watch(folders.results).look().over, Watch(folders.results).look().done) == (True, 4)


def test_what_has_begun_is_stopped_when_a_run_ends_early(folders: Folders, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster()
    there = registry(cluster)
    monkeypatch.setattr("brainbench.runner.work.installed", lambda: there)
    records = opened(there, folders).run(Silent())
    next(records)
    records.close()
    assert cluster.ended == [(True, True)]


def test_an_executor_that_is_no_queue_is_refused(folders: Folders) -> None:
    with pytest.raises(PluginError, match="engine farm of toy-dist 1.0: its executor is no brainbench.Queue"):
        list(opened(registry(Executor()), folders).run(Silent()))


def test_another_machine_notices_another_folder_and_another_plan(
    folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("brainbench.runner.work.installed", toy.registry)
    folders.prepare()
    request = Request(dataset="toydata", encoders="toyfit")
    order = Order(request, folders, "cpu", "all", folders.mark())
    elsewhere = Folders(folders.results.parent / "other", folders.leaderboards, folders.cache)
    with pytest.raises(
        StoreError, match=r"other on .* is not the folder that the run was started with: choose --results"
    ):
        work(Order(request, elsewhere, "cpu", "all", folders.mark()), ("key",))
    with pytest.raises(StoreError, match=r"1 of 1 jobs are not in the plan of .*; install the same ones"):
        work(order, ("key",))


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"engine": "fram"}, r"unknown engine 'fram' \(did you mean 'farm'\?\)"),
        ({"engine": "slurm"}, "it comes with: pip install brainbench-plugin-slurm"),
        (
            {"settings": ("farm.minuts=5",)},
            r"farm has no setting 'minuts' \(did you mean 'minutes'\?\); it has: gpus, minutes",
        ),
        ({"settings": ("farm.minutes=0",)}, "farm.minutes=0: must be at least 1"),
        ({"engine": "local", "settings": ("farm.minutes=5",)}, "this run selects nothing of this name"),
        (
            {"engine": "local", "detach": True},
            "jobs of --engine local end with the command; engines where they go on: farm",
        ),
        ({"fresh": True, "retry_failed": True}, "--fresh with --retry-failed: .*; choose one"),
        ({"workers": "many"}, "--workers many: allowed are auto and numbers from 1"),
        ({"device": "gpu"}, "--device gpu: allowed are auto, cpu, cuda"),
    ],
    ids=str,
)
def test_a_request_that_no_engine_can_serve_says_why(folders: Folders, asked: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        opened(registry(Cluster()), folders, **asked)


def test_the_device_is_that_of_the_machines_that_work(folders: Folders) -> None:
    there = registry(Cluster())
    assert opened(there, folders, device="auto").device == "cpu"
    assert opened(there, folders, device="auto", settings=("farm.gpus=1",)).device == "cuda"
    assert opened(there, folders, device="cuda").device == "cuda"


def test_a_network_in_memory_stays_here(folders: Folders) -> None:
    cards = toy.registry(
        [toy.backbone(weights="in memory")], engines=(LOCAL, registry(Cluster()).engines.get("farm").card)
    )
    with pytest.raises(
        UsageError, match="engine=farm: toy/net is in the memory of this process alone; use engine=local"
    ):
        opened(cards, folders)


def test_an_engine_without_a_queue_gets_one_call_for_each_job(
    folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = Cluster()
    there = registry(cluster, queue=False)
    monkeypatch.setattr("brainbench.runner.work.installed", lambda: there)
    assert len(list(opened(there, folders, workers="auto").run(Silent()))) == 4
    assert not cluster.handed
    assert [json.loads(path.read_text())["status"] for path in folders.results.glob("*.json")] == ["done"] * 4


def test_the_mark_of_a_folder_stays(tmp_path: Path) -> None:
    folders = Folders(tmp_path / "results", tmp_path / "boards", tmp_path / "cache")
    assert folders.mark() == ""
    folders.prepare()
    mark = folders.mark()
    folders.prepare()
    assert mark
    assert folders.mark() == mark
