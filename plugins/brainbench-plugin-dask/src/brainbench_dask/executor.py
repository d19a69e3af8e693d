"""An executor of dask's client, whose calls say so when their worker died."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import BrokenExecutor, Executor, Future
from pathlib import Path
from typing import Any

import dask
from distributed import Client, LocalCluster
from distributed.scheduler import KilledWorker

from brainbench import UsageError

# Seconds until a scheduler has to answer.
_PATIENCE_S = 10


class DaskExecutor(Executor):
    """Calls on the workers of a scheduler. It closes the client when it is shut down, and the cluster if that is its own."""

    def __init__(self, client: Client, cluster: LocalCluster | None, gpus: int) -> None:
        self._client, self._cluster = client, cluster
        # The same call may be made again, after something changed on disk.
        self._calls = client.get_executor(pure=False, resources={"GPU": gpus} if gpus else None)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Submit a call."""
        told: Future[Any] = Future()

        def pass_on(found: Future[Any]) -> None:
            if found.cancelled():
                told.cancel()
                return
            error = found.exception()
            if isinstance(error, KilledWorker):
                error = BrokenExecutor(f"its worker {error.last_worker.address} ended without a word")
            if error is None:
                told.set_result(found.result())
            else:
                told.set_exception(error)

        self._calls.submit(fn, *args, **kwargs).add_done_callback(pass_on)
        return told

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Wait for all calls, or cancel them, and leave the scheduler. A cluster of its own ends, running calls with it."""
        self._calls.shutdown(wait=wait and not cancel_futures)
        self._client.close()
        if self._cluster is not None:
            self._cluster.close()


def load(*, settings: Mapping[str, Any], workers: int, folder: Path) -> DaskExecutor:
    """Return an executor with these settings. Raises UsageError if no scheduler answers."""
    address, gpus = settings["address"], settings["gpus"]
    if not address:
        # A job whose worker died is done again by brainbench, alone; fits have a limit of memory of their own.
        with dask.config.set({"distributed.scheduler.allowed-failures": 0}):
            cluster = LocalCluster(
                n_workers=workers or None,
                threads_per_worker=1,
                memory_limit=0,
                resources={"GPU": gpus} if gpus else None,
                dashboard_address=settings["dashboard"] or None,
                local_directory=str(folder),
            )
        return DaskExecutor(Client(cluster), cluster, gpus)
    try:
        client = Client(address, timeout=_PATIENCE_S)
    except (OSError, ValueError) as error:
        raise UsageError(
            f"engine dask: no scheduler answers at {address} ({' '.join(str(error).split())}); start one with `dask scheduler` "
            "and workers with `dask worker --nthreads 1`, or leave dask.address empty"
        ) from error
    return DaskExecutor(client, None, gpus)
