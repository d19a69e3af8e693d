"""An executor whose calls are jobs of SLURM: one array for all calls that are handed in together."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future, wait
from pathlib import Path
from threading import Event, Thread
from typing import Any

import submitit
from submitit.helpers import DelayedSubmission

from brainbench import BrainbenchError, UsageError
from brainbench_slurm.states import States

# Indices of an array go up to 1,000 unless a cluster allows more.
_LARGEST_ARRAY = 1000
# Seconds before its time limit at which a job is told, so that it queues itself again.
_WARNING_S = 90
_POLL_S = 1.0


class Call:
    """A call that queues itself again when its time is over, to go on from what it has written."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function

    def __call__(self, *arguments: Any) -> tuple[Any, Exception | None]:
        """Return (what the function returned, what it raised)."""
        try:
            return self.function(*arguments), None
        except Exception as error:
            return None, error

    def checkpoint(self, *arguments: Any) -> DelayedSubmission:
        """Return the same call."""
        return DelayedSubmission(self, *arguments)


class SlurmExecutor(Executor):
    """Jobs of SLURM. With ``cluster`` local or debug, processes of this machine, or this process, take their place.

    It is a ``brainbench.Queue``.
    """

    def __init__(self, submit: submitit.AutoExecutor, most: int) -> None:
        self.most = most
        self._submit = submit
        self._slurm = submit.cluster == "slurm"
        self._jobs: dict[Future[Any], submitit.Job[Any]] = {}
        self._of: dict[str, list[Future[Any]]] = {}
        self._over = Event()

    def enqueue(
        self, function: Callable[..., Any], calls: Sequence[tuple[Any, ...]], after: str = ""
    ) -> tuple[str, list[Future[Any]]]:
        """Submit the calls as one array, which begins when that of ``after`` has ended. Returns (its number, futures)."""
        if after and self._slurm:
            self._submit.update_parameters(slurm_dependency=f"afterany:{after}")
        elif after:
            wait(self._of[after])
        try:
            with self._submit.batch():
                jobs = [self._submit.submit(Call(function), *arguments) for arguments in calls]
        except (submitit.core.utils.FailedJobError, subprocess.CalledProcessError, OSError) as error:
            raise UsageError(f"engine slurm: sbatch refused the jobs: {' '.join(str(error).split())}") from error
        if self._submit.cluster == "debug":
            for job in jobs:
                job.submission().result()
        futures: list[Future[Any]] = [Future() for _ in jobs]
        self._jobs |= dict(zip(futures, jobs, strict=True))
        name = str(jobs[0].job_id).split("_")[0]
        self._of[name] = futures
        Thread(target=self._watch, args=(futures,), daemon=True).start()
        return name, futures

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Submit a single call, without keyword arguments."""
        if kwargs:
            raise TypeError("give positional arguments only")
        return self.enqueue(fn, [args])[1][0]

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Wait for all jobs; or cancel them, running ones too; or, with neither, leave them in the queue."""
        left = [future for future in self._jobs if not future.done()]
        if cancel_futures:
            self._over.set()
            numbers = sorted({str(self._jobs[future].job_id).split("_")[0] for future in left})
            if self._slurm and numbers:
                subprocess.run(["scancel", *numbers], check=False, capture_output=True)
            for future in left:
                if not self._slurm:
                    self._jobs[future].cancel(check=False)
                future.cancel()
        elif wait:
            for future in left:
                future.exception()
        self._over.set()

    def _watch(self, futures: Sequence[Future[Any]]) -> None:
        """Give futures their results, as jobs end."""
        left, states = {future: self._jobs[future] for future in futures}, States(self._slurm)
        while left and not self._over.is_set():
            gone = states.ended(list(left.values()))
            for future, job in list(left.items()):
                if job.job_id in gone:
                    del left[future]
                    _settle(future, job, gone[job.job_id])
            self._over.wait(_POLL_S)


def _settle(future: Future[Any], job: submitit.Job[Any], state: str) -> None:
    """Give a future what its job left, or the reason why it left nothing."""
    try:
        found, error = job.result()
    except (submitit.core.utils.UncompletedJobError, submitit.core.utils.FailedJobError):
        log = job.paths.stderr
        future.set_exception(
            BrokenExecutor(f"job {job.job_id} of SLURM left nothing behind ({state}); its log is {log}")
        )
        return
    if error is None:
        future.set_result(found)
    elif isinstance(error, BrainbenchError):
        future.set_exception(error)
    else:
        future.set_exception(BrokenExecutor(f"job {job.job_id} of SLURM: {type(error).__name__}: {error}"))


def load(*, settings: Mapping[str, Any], workers: int, folder: Path) -> SlurmExecutor:
    """Return an executor with these settings. Raises UsageError on a machine without SLURM."""
    cluster = settings["cluster"]
    if cluster == "slurm" and shutil.which("sbatch") is None:
        raise UsageError(
            "engine slurm: this machine has no sbatch; run the command where you submit jobs of SLURM, or try it here with "
            "--set slurm.cluster=local"
        )
    submit = submitit.AutoExecutor(folder, cluster=cluster, slurm_max_num_timeout=settings["requeues"])
    submit.update_parameters(**_parameters(settings, workers))
    return SlurmExecutor(submit, _LARGEST_ARRAY if cluster == "slurm" else workers or 1)


def _parameters(settings: Mapping[str, Any], workers: int) -> dict[str, Any]:
    """Return what submitit calls these settings."""
    # Fits use as many threads as this says; without it, as many as the node has cores.
    setup = [f"export OMP_NUM_THREADS={settings['cpus']}", *filter(None, [settings["setup"]])]
    named = {f"slurm_{key}": settings[key] or None for key in ("partition", "account", "qos", "constraint")}
    return named | {
        "name": "brainbench",
        "timeout_min": settings["minutes"],
        "gpus_per_node": settings["gpus"] or None,
        "cpus_per_task": settings["cpus"],
        "mem_gb": settings["memory"] or None,
        "slurm_array_parallelism": workers or _LARGEST_ARRAY,
        "slurm_signal_delay_s": min(_WARNING_S, 20 * settings["minutes"]),
        # Whatever the cluster's default is, a job may queue itself again.
        "slurm_additional_parameters": {"requeue": True},
        # Since SLURM 22.05 a step does not inherit it.
        "slurm_srun_args": [f"--cpus-per-task={settings['cpus']}"],
        "slurm_setup": setup,
        "local_setup": setup,
    }
