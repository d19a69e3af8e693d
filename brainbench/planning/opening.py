"""A request -> the plan of its jobs: names, then data, then jobs."""

from __future__ import annotations

from pathlib import Path

from brainbench.planning.dataset import open_dataset
from brainbench.planning.jobs import Plan, choose, plan
from brainbench.planning.request import Request
from brainbench.planning.settings import Assignments
from brainbench.registry import Registry


def opened_plan(request: Request, registry: Registry, cache: Path, device: str) -> Plan:
    """Validate a request against what is installed, open its dataset and plan its jobs.

    Raises UsageError or DataError. Nothing but the dataset's own cache is written.
    """
    given, entry = Assignments(request.settings), registry.datasets.get(request.dataset)
    variants = given.variants(entry.card, "train_images")
    # Names before data: a typo must not wait for a dataset to be read or made.
    choice = choose(request, registry, given, entry.card.simulated, device)
    data = open_dataset(entry, variants, request.data, cache)
    if data.simulated != entry.card.simulated:
        choice = choose(request, registry, given, data.simulated, device)
    return plan(request, registry, choice, data)
