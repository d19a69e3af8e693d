"""Calls on dask's workers, in one local cluster."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor
from pathlib import Path

import pytest
from brainbench_dask.executor import DaskExecutor
from brainbench_dask.plugin import DASK

from brainbench import Queue, StoreError, UsageError


@pytest.fixture(scope="module")
def executor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskExecutor]:
    folder = tmp_path_factory.mktemp("dask")
    found = DASK.loader(settings=DASK.resolve_settings({"gpus": 1}), workers=1, folder=folder)
    yield found
    found.shutdown()


def fails(error: Exception) -> None:
    raise error


@pytest.mark.slow
def test_calls_are_done_by_other_processes(executor: DaskExecutor) -> None:
    assert executor.submit(pow, 2, 5).result(60) == 32
    process = executor.submit(os.getpid).result(60)
    assert process != os.getpid()
    assert not isinstance(executor, Queue)
    # Whatever a call returned once, it is made again.
    assert executor.submit(os.urandom, 8).result(60) != executor.submit(os.urandom, 8).result(60)


@pytest.mark.slow
def test_errors_come_back_and_a_worker_that_dies_is_told(executor: DaskExecutor) -> None:
    with pytest.raises(StoreError, match="the disk is full"):
        executor.submit(fails, StoreError("the disk is full")).result(60)
    with pytest.raises(BrokenExecutor, match=r"its worker tcp://.* ended without a word"):
        executor.submit(os._exit, 9).result(60)
    assert executor.submit(pow, 2, 5).result(60) == 32


def test_a_scheduler_that_does_not_answer_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("brainbench_dask.executor._PATIENCE_S", 0.2)
    settings = DASK.resolve_settings({"address": "tcp://127.0.0.1:9"})
    with pytest.raises(
        UsageError, match=r"no scheduler answers at tcp://127.0.0.1:9 .*; start one with `dask scheduler`"
    ):
        DASK.loader(settings=settings, workers=0, folder=tmp_path)
