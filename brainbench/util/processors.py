"""What there is to compute with."""

from __future__ import annotations

import os


def cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def gpus() -> int:
    """Return how many CUDA devices torch finds."""
    import torch

    return torch.cuda.device_count()
