"""The dask card. Light: the executor is in ``executor.py``."""

from __future__ import annotations

from brainbench import EngineCard, Setting, hookimpl, lazy

DASK = EngineCard(
    name="dask",
    loader=lazy("brainbench_dask.executor:load"),
    summary="workers of a dask scheduler, or of a local cluster with --workers processes; has a dashboard",
    settings=(
        Setting(
            "address", str, "", "the scheduler's, as in tcp://host:8786; empty: a cluster of this machine's processes"
        ),
        Setting("gpus", int, 0, "resource GPU of a job; above 0, --device auto is cuda", minimum=0),
        Setting("dashboard", str, "", "address of a local cluster's dashboard, as in :8787; empty: none"),
    ),
    citation="Matthew Rocklin (2015). Dask: Parallel Computation with Blocked algorithms and Task Scheduling. Proceedings of the "
    "14th Python in Science Conference",
)


@hookimpl
def register_engines() -> list[EngineCard]:
    """Dask."""
    return [DASK]
