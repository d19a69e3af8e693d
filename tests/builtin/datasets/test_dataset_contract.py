from __future__ import annotations

from functools import cache

import pytest

from brainbench.builtin.datasets.demo.card import DEMO
from brainbench.testing import DatasetCase, DatasetContract


@cache
def demo() -> DatasetCase:
    return DatasetCase(DEMO, {"images": 100, "subjects": 1})


class TestDemo(DatasetContract):
    @pytest.fixture
    def case(self) -> DatasetCase:
        return demo()


class TestFolder(DatasetContract):
    name = "folder"
