from __future__ import annotations

import pytest
from brainbench_alignedcut.plugin import METRICS

from brainbench.testing import DatasetContract, MetricCase, MetricContract

CASES = {card.name: MetricCase(card, {"images": 12, "sample": 100, "eigenvectors": 4}) for card in METRICS}


class TestMetrics(MetricContract):
    @pytest.fixture(params=CASES)
    def case(self, request: pytest.FixtureRequest) -> MetricCase:
        return CASES[request.param]


class TestVoc(DatasetContract):
    name = "voc2012"


class TestImageNetSegmentation(DatasetContract):
    name = "imagenet-segmentation"
