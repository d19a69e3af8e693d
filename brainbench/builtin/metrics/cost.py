"""Cost: the time, memory and parameters of a job."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from brainbench import Cell, Score

MILLION = 1e6
NOTE = (
    "Seconds: of the whole job, with the network's pass over the images if this job was the first to want its tokens. Memory: the "
    "highest of the process up to the job's end. Fitted parameters: all numbers kept to predict again. They depend on the machine"
    " and on what else ran."
)


def load(*, settings: Mapping[str, Any]) -> Cost:
    """The metric of card ``cost``."""
    return Cost()


class Cost:
    """Seconds, memory and parameters, as in the records."""

    def score(self, cells: Sequence[Cell]) -> list[Score]:
        """Figures: seconds; memory, MB; fitted and backbone, millions of parameters, where known.

        ``NOTE`` explains what they include.
        """
        return [Score(_figures(cell.cost), notes=(NOTE,)) for cell in cells]


def _figures(cost: Mapping[str, float]) -> dict[str, float]:
    figures = {"seconds": cost["wall_s"], "memory": cost["peak_memory_mb"]}
    counts = {"fitted": cost.get("fitted_parameters"), "backbone": cost.get("backbone_parameters")}
    return figures | {name: count / MILLION for name, count in counts.items() if count is not None}
