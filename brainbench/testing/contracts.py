"""The checks as tests: subclass, and name what is to be tested."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

from brainbench.testing.backbones import BACKBONE_CHECKS, BackboneCase
from brainbench.testing.encoders import ENCODER_CHECKS, EncoderCase

# One network for all its checks.
_backbone, _encoder = cache(BackboneCase.named), cache(EncoderCase.named)


class BackboneContract:
    """Every check of a backbone, as a test of its own. name: an installed backbone's, e.g. ``mymodel/small``."""

    name: str

    @pytest.fixture
    def case(self) -> BackboneCase:
        """The backbone under test; override it to test a card that is not installed."""
        return _backbone(type(self).name)

    @pytest.mark.parametrize("check", BACKBONE_CHECKS.values(), ids=list(BACKBONE_CHECKS))
    def test_contract(self, check: Any, case: BackboneCase) -> None:
        """One check."""
        check(case)


class EncoderContract:
    """Every check of an encoder, as a test of its own. name: an installed encoder's."""

    name: str

    @pytest.fixture
    def case(self) -> EncoderCase:
        """The encoder under test; override it to test a card that is not installed."""
        return _encoder(type(self).name)

    @pytest.mark.parametrize("check", ENCODER_CHECKS.values(), ids=list(ENCODER_CHECKS))
    def test_contract(self, check: Any, case: EncoderCase) -> None:
        """One check."""
        check(case)
