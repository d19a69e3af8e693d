from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from brainbench.builtin.metrics.pearson import voxel_r
from brainbench.builtin.metrics.r2 import voxel_r2
from brainbench.builtin.metrics.voxel_blocks import blocks, by_block


def test_blocks_cover_every_voxel_once_and_are_never_empty() -> None:
    for rows, voxels in ((10, 5000), (1 << 23, 3), (0, 7), (4, 2048)):
        found = list(blocks(rows, voxels))
        assert [v for block in found for v in range(block.start, block.stop)] == list(range(voxels))
        assert all(block.stop > block.start for block in found)


def test_a_figure_sees_float64_and_no_more_than_a_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("brainbench.builtin.metrics.voxel_blocks.FIGURES", 60)
    observed = np.arange(70, dtype=np.float32).reshape(10, 7)
    seen = list[tuple[int, ...]]()

    def figure(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        assert x.dtype == y.dtype == np.float64
        seen.append(x.shape)
        return np.asarray((x - y).sum(axis=0))

    np.testing.assert_array_equal(by_block(figure, observed, observed - 1), np.full(7, 10))
    assert seen == [(10, 6), (10, 1)]


@pytest.mark.parametrize("figure", [voxel_r2, voxel_r])
def test_memory_beside_the_inputs_is_that_of_a_few_blocks(figure: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("brainbench.builtin.metrics.voxel_blocks.FIGURES", 20_000)
    rng = np.random.default_rng(0)
    observed, predicted = (rng.normal(size=(100, 20_000)).astype(np.float32) for _ in range(2))
    assert callable(figure)
    tracemalloc.start()
    figure(observed, predicted)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < observed.nbytes / 2
