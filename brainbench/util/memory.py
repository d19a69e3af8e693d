"""The memory of the machine, and what a process uses. Limits are constants: free memory would make results vary."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from types import TracebackType

import torch

from brainbench.errors import UsageError

# The rest is for the responses, the model, and whatever else runs.
SHARE = 0.5
# The same on every machine: how tokens are cut decides in which order a fit sees them, and so its result.
TOKENS_GB = 8.0
_GROUPS = Path("/sys/fs/cgroup")


def budget(gigabytes: float = 0.0) -> int:
    """Return how many bytes of tokens a fit may hold: the requested GB (1e9 bytes) or, for 0, 8 GB."""
    return int((gigabytes or TOKENS_GB) * 1e9)


def machine_memory() -> int:
    """Return the bytes of physical memory, or the limit of a container or a batch system if that is lower."""
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min([physical, *_limits(Path("/proc/self/cgroup"), _GROUPS)])


def device_memory(device: str) -> int:
    """Return the bytes of memory of this device."""
    if torch.device(device).type != "cuda":
        return machine_memory()
    return int(torch.cuda.get_device_properties(device).total_memory)


def fits_on(device: str, size: int) -> bool:
    """Whether ``size`` bytes of tokens may be held on a CUDA device; the rest is for the model."""
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


def resolve_device(device: str, gpus: bool | None = None) -> str:
    """Resolve ``auto`` to cuda if there is one, else cpu. Raises UsageError for a device that does not exist.

    gpus: whether the machines where it will be used have GPUs; None if it is this machine.
    """
    import torch

    kind = device.split(":")[0]
    if kind not in ("auto", "cpu", "cuda"):
        raise UsageError(f"--device {device}: allowed are auto, cpu, cuda")
    if kind == "cuda" and gpus is None and not torch.cuda.is_available():
        raise UsageError(f"--device {device}: torch finds no CUDA device here; use --device cpu")
    there = torch.cuda.is_available() if gpus is None else gpus
    return ("cuda" if there else "cpu") if kind == "auto" else device


# glibc's mallopt: how large a block may be before it is mapped on its own, and how much freed memory is kept.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_MMAP_MAX = -1, -3, -4
_KEEP = ((_M_MMAP_MAX, 0), (_M_TRIM_THRESHOLD, 2**31 - 1))
# Where glibc's own thresholds, which it raises as blocks are freed, end up in a program that allocates much.
_USUAL = ((_M_MMAP_MAX, 65536), (_M_MMAP_THRESHOLD, 32 * 2**20), (_M_TRIM_THRESHOLD, 64 * 2**20))


@contextmanager
def freed_memory_kept() -> Iterator[None]:
    """Inside, memory that a network's layers free is kept for the next batch instead of going back to the system.

    Otherwise the system hands out, and clears, fresh pages for every layer of every batch, which takes longer than the layer of
    a small network. Afterwards all that is free goes back. Only glibc can do this; elsewhere nothing happens.
    """
    library = _glibc()
    if library is None:
        yield
        return
    for option in _KEEP:
        library.mallopt(*option)
    try:
        yield
    finally:
        for option in _USUAL:
            library.mallopt(*option)
        library.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    try:
        library = ctypes.CDLL(None)
        return library if hasattr(library, "mallopt") and hasattr(library, "malloc_trim") else None
    except OSError:
        return None


EVERY_S = 0.05


def anonymous_mb(process: int | str = "self") -> float | None:
    """Return the anonymous resident memory of a process in MiB (``RssAnon``, proc(5)).

    None if the system does not report it.
    """
    try:
        status = Path(f"/proc/{process}/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    return next((int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("RssAnon:")), None)


class AnonymousPeak:
    """Measures the highest anonymous memory of this process during the ``with`` block, every 50 ms."""

    def __init__(self) -> None:
        self._highest: float | None = None
        self._over = Event()
        self._thread = Thread(target=self._watch, daemon=True)

    @property
    def mb(self) -> float | None:
        """The highest value so far, in MiB to one decimal. None if the system does not report it."""
        self._look()
        return None if self._highest is None else round(self._highest, 1)

    def __enter__(self) -> AnonymousPeak:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(EVERY_S):
            self._look()

    def _look(self) -> None:
        now = anonymous_mb()
        if now is not None:
            self._highest = max(now, self._highest or 0.0)
