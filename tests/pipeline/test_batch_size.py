from __future__ import annotations

import pytest
import torch

from brainbench.pipeline import _batch_size as batches
from brainbench.pipeline._batch_size import LiveBytes, batch_that_pays, out_of_memory

MEGA = 1_000_000


def test_tensors_count_while_somebody_holds_them_and_views_count_once() -> None:
    with LiveBytes() as counted:
        first = torch.zeros(MEGA)
        view = first.view(1000, 1000)
        del first
        second = view + 1
        assert counted.now == 8 * MEGA
        del view
        third = second * 2
        assert counted.now == 8 * MEGA
        del second, third
    assert (counted.now, counted.peak) == (0, 8 * MEGA)


@pytest.mark.parametrize(("floats", "expected"), [(1, 32), (24 * MEGA, 2), (49 * MEGA, 1), (900 * MEGA, 1)])
def test_a_power_of_two_whose_memory_is_a_quarter(monkeypatch: pytest.MonkeyPatch, floats: int, expected: int) -> None:
    monkeypatch.setattr(batches, "device_memory", lambda device: 1000 * MEGA)
    assert batch_that_pays(lambda: torch.empty(floats), "cpu") == expected


def test_what_running_out_of_memory_looks_like() -> None:
    assert out_of_memory(torch.OutOfMemoryError("CUDA out of memory"))
    with pytest.raises(RuntimeError) as error:
        torch.empty(1 << 60)
    assert out_of_memory(error.value)
    assert not out_of_memory(RuntimeError("size mismatch"))
