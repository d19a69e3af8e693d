"""Automatic batch sizes."""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from brainbench.types import Device
from brainbench.util.memory import device_memory

# Larger batches are no faster.
MOST, MOST_ON_CPU = 64, 32
# Of the device's memory, for the tensors of one batch.
SHARE = 0.25


def batch_that_pays(one: Callable[[], object], device: Device) -> int:
    """Choose how many images to process at once: a power of two whose memory is a small share of the device's.

    It grows up to the size beyond which larger batches gain nothing. one: a pass over a single image, whose peak of live
    tensor bytes is counted, which gives the same number every time.
    """
    with LiveBytes() as counted:
        one()
    fits = int(SHARE * device_memory(device)) // max(counted.peak, 1)
    most = MOST_ON_CPU if torch.device(device).type == "cpu" else MOST
    return int(2 ** math.floor(math.log2(max(1, min(most, fits)))))


class LiveBytes(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the most bytes that tensors made inside the block occupy at one time."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now = self.peak = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Run an operation and count the storages that it made."""
        result = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, Tensor):
                storage = tensor.untyped_storage()
                if not hasattr(storage, "_counted"):
                    storage._counted = True  # type: ignore[attr-defined]
                    self._add(storage.nbytes())
                    weakref.finalize(storage, self._add, -storage.nbytes())
        return result

    def _add(self, size: int) -> None:
        self.now += size
        self.peak = max(self.peak, self.now)


def out_of_memory(error: BaseException) -> bool:
    """Whether an operation failed because memory ran out."""
    # torch's allocator for the CPU raises a plain RuntimeError.
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in str(error)
