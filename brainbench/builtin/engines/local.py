"""Processes of this machine."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from threading import Thread
from typing import Any


class Processes(ProcessPoolExecutor):
    """A pool of new processes, which ends with its caller, however that ends."""

    def __init__(self, workers: int, threads: int, devices: int) -> None:
        context = multiprocessing.get_context("spawn")
        numbers = context.Queue()
        for number in range(workers):
            numbers.put(number)
        self._others = set(multiprocessing.active_children())
        super().__init__(workers, context, _begin, (numbers, threads, devices))

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the pool; with ``cancel_futures``, stop what has begun."""
        if cancel_futures:
            for child in set(multiprocessing.active_children()) - self._others:
                child.terminate()
        super().shutdown(wait, cancel_futures=cancel_futures)


def load(*, settings: Mapping[str, Any], workers: int, folder: Path) -> Processes:
    """Return a pool of ``workers`` processes."""
    import torch

    return Processes(workers, max(1, torch.get_num_threads() // workers), torch.cuda.device_count())


def _begin(numbers: Any, threads: int, devices: int) -> None:
    """Prepare a process: its share of the cores, its GPU, and its end."""
    # The caller hears Ctrl-C and tells its processes, which then leave a fit so that it can go on.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    caller = multiprocessing.parent_process()
    if caller is not None:
        Thread(target=_end_with, args=(caller,), daemon=True).start()
    if devices:
        # Before torch looks for GPUs.
        os.environ["CUDA_VISIBLE_DEVICES"] = str(numbers.get() % devices)
    import torch
    from threadpoolctl import threadpool_limits

    torch.set_num_threads(threads)
    threadpool_limits(threads)


def _end_with(caller: Any) -> None:
    """A process whose caller was killed has nobody left to work for."""
    caller.join()
    os._exit(1)
