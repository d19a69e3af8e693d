"""Anonymous memory: what a process made itself counts, what it mapped from a file does not."""

from __future__ import annotations

import mmap
import platform
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from brainbench.util import memory
from brainbench.util.memory import AnonymousPeak, anonymous_mb

linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells RssAnon")
MB = 2**20


@linux
def test_what_was_made_counts_even_when_it_is_gone_again() -> None:
    before = anonymous_mb()
    assert before is not None
    with AnonymousPeak() as peak:
        # Pages of their own: an allocator may hand out, and keep, some that an earlier test has left.
        made = mmap.mmap(-1, 100 * MB, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        made[::4096] = b"1" * (100 * MB // 4096)
        during = peak.mb
        made.close()
        after = anonymous_mb()
    assert during is not None
    assert after is not None
    assert during - before == pytest.approx(100, abs=10)
    assert after < during - 90
    assert peak.mb == during


@linux
def test_a_mapped_file_does_not_count(tmp_path: Path) -> None:
    np.save(tmp_path / "values.npy", np.ones(100 * MB, np.uint8))
    before = anonymous_mb()
    assert before is not None
    with AnonymousPeak() as peak:
        values = np.load(tmp_path / "values.npy", mmap_mode="r")
        total = int(values[::4096].sum())
        during = peak.mb
    assert total == 100 * MB // 4096
    assert during is not None
    assert during - before < 10


def test_it_is_looked_at_while_the_block_lasts(monkeypatch: pytest.MonkeyPatch) -> None:
    figures = iter([1.0, 7.26, 3.0])
    seen = []

    def told() -> float:
        seen.append(next(figures, 2.0))
        return seen[-1]

    monkeypatch.setattr(memory, "EVERY_S", 0.001)
    monkeypatch.setattr(memory, "anonymous_mb", told)
    with AnonymousPeak() as peak:
        late = time.monotonic() + 5
        while len(seen) < 4 and time.monotonic() < late:
            time.sleep(0.001)
    assert peak.mb == 7.3


def test_where_the_system_does_not_tell_there_is_no_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    assert anonymous_mb("no such process") is None
    monkeypatch.setattr(memory, "anonymous_mb", lambda: None)
    with AnonymousPeak() as peak:
        pass
    assert peak.mb is None


FREED = """
import resource
import torch
from brainbench.util.memory import anonymous_mb, freed_memory_kept

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(4):
        torch.ones(16 * 2**20)  # 64 MiB
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

with freed_memory_kept():
    print(min(faults() for _ in range(3)), anonymous_mb() or 0)
after = anonymous_mb() or 0
print(faults(), after)
"""


@pytest.mark.slow
def test_freed_memory_is_kept_inside_the_block_and_given_back_after_it() -> None:
    if platform.libc_ver()[0] != "glibc":
        pytest.skip("only glibc can keep freed memory")
    # In a process of its own: what earlier tests left decides where blocks fall.
    done = subprocess.run([sys.executable, "-c", FREED], check=True, capture_output=True, text=True)
    (kept, held), (fresh, after) = ([float(word) for word in line.split()] for line in done.stdout.splitlines())
    assert kept < fresh / 2
    assert after <= max(0, held - 50)
