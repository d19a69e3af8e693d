"""Which jobs have ended: those that left a result, and those that SLURM does not know, or says have ended."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Sequence
from typing import Any

from submitit import Job

# States in which a job may still run, or run again. `squeue` knows them whether or not the cluster keeps accounts.
_ALIVE = frozenset(
    {
        "PENDING",
        "RUNNING",
        "SUSPENDED",
        "COMPLETING",
        "CONFIGURING",
        "REQUEUED",
        "REQUEUE_FED",
        "REQUEUE_HOLD",
        "RESIZING",
    }
    | {"RESV_DEL_HOLD", "SIGNALING", "SPECIAL_EXIT", "STAGE_OUT", "STOPPED", "PREEMPTED"}
)
# Seconds between two questions to SLURM, which has other users too.
_ASK_EVERY_S = 15.0


class States:
    """The states of submitted jobs. slurm: whether they are jobs of SLURM, and not processes of this machine."""

    def __init__(self, slurm: bool) -> None:
        self._slurm = slurm
        self._asked = time.monotonic()
        self._missed: set[str] = set()

    def ended(self, jobs: Sequence[Job[Any]]) -> dict[str, str]:
        """Return the jobs that have ended, number -> state."""
        found = {job.job_id: "COMPLETED" for job in jobs if job.paths.result_pickle.exists()}
        if not self._slurm:
            return {job.job_id: job.state for job in jobs if job.done()} | found
        left = [job.job_id for job in jobs if job.job_id not in found]
        if left and time.monotonic() - self._asked > _ASK_EVERY_S:
            self._asked = time.monotonic()
            states = squeue(left)
            over = {one: states.get(one, "gone") for one in left if states.get(one) not in _ALIVE}
            # Another machine may see a result only after a while.
            found |= {one: state for one, state in over.items() if one in self._missed}
            self._missed = set(over)
        return found


def squeue(numbers: Sequence[str]) -> dict[str, str]:
    """Ask SLURM for the states of jobs, number -> state. It forgets a job some minutes after its end."""
    arrays = ",".join(sorted({number.split("_")[0] for number in numbers}))
    asked = ["squeue", "--noheader", "--array", "--states=all", f"--jobs={arrays}", "--format=%i %T"]
    done = subprocess.run(asked, check=False, capture_output=True, text=True)
    if done.returncode and "Invalid job id" not in done.stderr:
        # A controller that is busy or being restarted says nothing about jobs.
        return dict.fromkeys(numbers, "RUNNING")
    return dict(line.split(maxsplit=1) for line in done.stdout.splitlines())
