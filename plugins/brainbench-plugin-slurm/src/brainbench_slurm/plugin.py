"""The SLURM card. Light: the executor is in ``executor.py``."""

from __future__ import annotations

from brainbench import EngineCard, Setting, hookimpl, lazy

SLURM = EngineCard(
    name="slurm",
    loader=lazy("brainbench_slurm.executor:load"),
    summary="jobs of a SLURM cluster, in arrays; --workers N has at most N of an array run at once",
    queue=True,
    settings=(
        Setting("partition", str, "", "where to run; empty: the cluster's default"),
        Setting("account", str, "", "whose time it is; empty: the user's default"),
        Setting("qos", str, "", "quality of service; empty: the default"),
        Setting("constraint", str, "", "features that a node must have, as in a100|h100"),
        Setting("gpus", int, 0, "GPUs of a job; above 0, --device auto is cuda", minimum=0),
        Setting("cpus", int, 4, "cores of a job", minimum=1),
        Setting("memory", int, 16, "GB of memory of a job; 0: the cluster's default", minimum=0),
        Setting("minutes", int, 120, "time limit of a job, which is queued again when it is over", minimum=1),
        Setting("requeues", int, 10, "how often a job is queued again after its time limit", minimum=0),
        Setting("setup", str, "", "shell line before each job, as in: module load cuda"),
        Setting(
            "cluster",
            str,
            "slurm",
            "slurm; local: processes of this machine, debug: this process, to try without SLURM",
            ("slurm", "local", "debug"),
        ),
    ),
    citation="Jérémy Rapin and others (2020). submitit: Python 3 toolbox for submitting jobs to SLURM. github.com/"
    "facebookincubator/submitit",
)


@hookimpl
def register_engines() -> list[EngineCard]:
    """SLURM."""
    return [SLURM]
