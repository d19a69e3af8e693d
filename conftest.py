"""Before anything imports torch: one thread for each of the processes that tests run in side by side."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")
# And for runs: those that start processes of their own say so.
os.environ.setdefault("BRAINBENCH_WORKERS", "1")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave files that are slow as a whole out of a quick run: to import their libraries takes longer than all other tests do."""
    quick = config.option.markexpr == "not slow" and collection_path.suffix == ".py"
    return True if quick and "\npytestmark = pytest.mark.slow\n" in collection_path.read_text("utf-8") else None
