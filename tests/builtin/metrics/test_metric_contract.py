from __future__ import annotations

import pytest

from brainbench.builtin.metrics.cards import METRICS
from brainbench.testing import MetricCase, MetricContract

CASES = {card.name: MetricCase(card) for card in METRICS}


class TestEveryBuiltIn(MetricContract):
    @pytest.fixture(params=CASES)
    def case(self, request: pytest.FixtureRequest) -> MetricCase:
        return CASES[request.param]
