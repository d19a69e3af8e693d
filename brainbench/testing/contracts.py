"""The checks as tests: subclass a contract and name what to test."""

from __future__ import annotations

from functools import cache
from typing import Any, ClassVar

import pytest

from brainbench.testing.backbones import BACKBONE_CHECKS, BackboneCase
from brainbench.testing.datasets import DATASET_CHECKS, DatasetCase
from brainbench.testing.encoders import ENCODER_CHECKS, EncoderCase
from brainbench.testing.metrics import METRIC_CHECKS, MetricCase

# One case for all its checks.
_backbone, _encoder = cache(BackboneCase.named), cache(EncoderCase.named)
_metric, _dataset = cache(MetricCase.named), cache(DatasetCase.named)


class _Contract:
    """What the contracts have in common. skips: check -> the reason why it is left out."""

    skips: ClassVar[dict[str, str]] = {}

    def _run(self, check: Any, case: Any) -> None:
        """Run one check, or skip it for a reason."""
        name = check.__name__.replace("_", " ")
        if name in self.skips:
            if not self.skips[name].strip():
                pytest.fail(f"skips[{name!r}] has no reason: say why {type(self).__name__} leaves this check out")
            pytest.skip(self.skips[name])
        check(case)

    def _known(self, checks: Any) -> None:
        """Fail for a skip of a check that there is not."""
        strange = sorted(set(self.skips) - set(checks))
        assert not strange, f"skips {strange}: no such check; there are: {', '.join(checks)}"


class BackboneContract(_Contract):
    """Every check of a backbone, as a test of its own. name: that of an installed backbone, e.g. ``mymodel/small``."""

    name: str

    @pytest.fixture
    def case(self) -> BackboneCase:
        """The backbone under test; override it to test a card that is not installed."""
        return _backbone(type(self).name)

    @pytest.mark.parametrize("check", BACKBONE_CHECKS.values(), ids=list(BACKBONE_CHECKS))
    def test_contract(self, check: Any, case: BackboneCase) -> None:
        """One check."""
        self._known(BACKBONE_CHECKS)
        self._run(check, case)


class EncoderContract(_Contract):
    """Every check of an encoder, as a test of its own. name: that of an installed encoder."""

    name: str

    @pytest.fixture
    def case(self) -> EncoderCase:
        """The encoder under test; override it to test a card that is not installed."""
        return _encoder(type(self).name)

    @pytest.mark.parametrize("check", ENCODER_CHECKS.values(), ids=list(ENCODER_CHECKS))
    def test_contract(self, check: Any, case: EncoderCase) -> None:
        """One check."""
        self._known(ENCODER_CHECKS)
        self._run(check, case)


class MetricContract(_Contract):
    """Every check of a metric, as a test of its own. name: an installed metric's."""

    name: str

    @pytest.fixture
    def case(self) -> MetricCase:
        """The metric under test; override it to test a card that is not installed, or with other settings or inputs."""
        return _metric(type(self).name)

    @pytest.mark.parametrize("check", METRIC_CHECKS.values(), ids=list(METRIC_CHECKS))
    def test_contract(self, check: Any, case: MetricCase) -> None:
        """One check."""
        self._known(METRIC_CHECKS)
        self._run(check, case)


class DatasetContract(_Contract):
    """Every check of a dataset, as a test of its own. name: an installed dataset's."""

    name: str

    @pytest.fixture
    def case(self) -> DatasetCase:
        """The dataset under test; override it to test a card that is not installed, or with other settings or data."""
        return _dataset(type(self).name)

    @pytest.mark.parametrize("check", DATASET_CHECKS.values(), ids=list(DATASET_CHECKS))
    def test_contract(self, check: Any, case: DatasetCase) -> None:
        """One check."""
        self._known(DATASET_CHECKS)
        self._run(check, case)
