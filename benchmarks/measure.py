"""What the benchmarks share: interleaved medians, the memory a case takes, and which machine this is."""

from __future__ import annotations

import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch


def interleaved(
    cases: Mapping[str, Callable[[], Any]], rounds: int, device: str = "cpu"
) -> dict[str, dict[str, float]]:
    """Run every case once, to warm up, then all of them in turn ``rounds`` times: median CPU and wall milliseconds of each."""
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in cases}
    for round_ in range(rounds + 1):
        for name, case in cases.items():
            wall, cpu = time.perf_counter(), time.process_time()
            case()
            if device == "cuda":
                torch.cuda.synchronize()
            if round_:
                taken[name].append((time.process_time() - cpu, time.perf_counter() - wall))
    return {
        name: {
            "cpu_ms": 1e3 * statistics.median(cpu for cpu, _ in times),
            "wall_ms": 1e3 * statistics.median(wall for _, wall in times),
        }
        for name, times in taken.items()
    }


def peak_gb(device: str = "cpu") -> float:
    """The most memory that this process, or its tensors on the GPU, have held so far.

    Of Linux's own account: ``getrusage`` counts what the parent held when it started this process.
    """
    if device == "cuda":
        return torch.cuda.max_memory_allocated() / 2**30
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) / 2**20


def in_a_process(script: str, *arguments: str) -> str:
    """What another run of a benchmark prints: peak memory can only be told apart process by process."""
    command = [sys.executable, str(Path(script).resolve()), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def machine() -> dict[str, Any]:
    """Processor, threads and versions, to stand beside the figures."""
    model = platform.processor()
    info = Path("/proc/cpuinfo")
    if info.exists():
        model = next((x.split(":")[1].strip() for x in info.read_text().splitlines() if "model name" in x), model)
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {"processor": model, "threads": torch.get_num_threads(), "gpu": gpu, "torch": torch.__version__}
