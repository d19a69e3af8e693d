"""Fixtures that tests of several folders share."""

from __future__ import annotations

from collections.abc import Callable

import memory
import pytest

from brainbench import Features


@pytest.fixture
def memory_features() -> Callable[..., Features]:
    """``memory_features(local, glob=None)``: Features of per-layer arrays [S, C, H, W] and [S, C] (default: the mean over space)."""
    return memory.memory_features
