"""Runs of toy jobs in a folder of their own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import toy

from brainbench.planning.request import Request
from brainbench.records import Record
from brainbench.registry import Registry
from brainbench.runner.benchmark import Benchmark
from brainbench.util.folders import Folders
from brainbench.util.progress import Silent

Runs = Callable[..., list[Record]]


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders(tmp_path / "results", tmp_path / "leaderboards", tmp_path / "cache")


@pytest.fixture
def runs(folders: Folders) -> Runs:
    def go(registry: Registry | None = None, *, fresh: bool = False, keep: str = "all", **asked: Any) -> list[Record]:
        request = Request(**{"dataset": "toydata", "encoders": "toyfit", **asked})
        benchmark = Benchmark.open(request, registry or toy.registry(), folders, device="cpu", keep=keep, fresh=fresh)
        return list(benchmark.run(Silent()))

    return go
