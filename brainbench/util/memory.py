"""How much memory there is: constants of the machine and the request. What is free just now would make results vary."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import torch

# The rest is for the responses, the model, and whatever else runs.
SHARE = 0.5
_GROUPS = Path("/sys/fs/cgroup")


def budget(gigabytes: float = 0.0) -> int:
    """Bytes of tokens that a fit may hold: as many GB (1e9 bytes) as asked for, or, for 0, half of the machine's memory."""
    return int(gigabytes * 1e9) if gigabytes else int(SHARE * machine_memory())


def machine_memory() -> int:
    """Bytes of physical memory, or what a container or a batch system allows this process, if that is less."""
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min([physical, *_limits(Path("/proc/self/cgroup"), _GROUPS)])


def device_memory(device: str) -> int:
    """Bytes of memory where this device computes."""
    if torch.device(device).type != "cuda":
        return machine_memory()
    return int(torch.cuda.get_device_properties(device).total_memory)


def fits_on(device: str, size: int) -> bool:
    """Whether ``size`` bytes of tokens may lie on a CUDA device; the rest is for the model."""
    if torch.device(device).type != "cuda":
        return False
    return size <= SHARE * device_memory(device)


def _limits(membership: Path, groups: Path) -> Iterator[int]:
    """The memory limits of a Linux process's control group and of those around it, version 1 or 2."""
    try:
        lines = membership.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers not in ("", "memory"):
            continue
        root, name = (groups, "memory.max") if not controllers else (groups / "memory", "memory.limit_in_bytes")
        own = root / path.strip("/")
        for group in (own, *own.parents):
            if group.is_relative_to(root) and (group / name).is_file():
                text = (group / name).read_text().strip()
                if text.isdigit():
                    yield int(text)
