from __future__ import annotations

from typing import Any

import pytest

from brainbench import Cell
from brainbench.builtin.metrics.cards import COST


def test_the_figures_are_those_of_the_record_parameters_in_millions() -> None:
    metric: Any = COST.loader(settings={})
    known = {"wall_s": 2.5, "peak_memory_mb": 800.0, "fitted_parameters": 250000.0, "backbone_parameters": 86e6}
    full, scant = metric.score(
        [
            Cell("a", "a", "fit", False, "1", 0, cost=known),
            Cell("b", "b", "fit", False, "1", 0, cost={"wall_s": 1.0, "peak_memory_mb": 2.0}),
        ]
    )
    assert full.values == pytest.approx({"seconds": 2.5, "memory": 800.0, "fitted": 0.25, "backbone": 86.0})
    assert scant.values == {"seconds": 1.0, "memory": 2.0}
    assert COST.columns.keys() == full.values.keys()
    assert COST.own_table
