"""The conformance kit: what every backbone and every encoder has to do, as checks of their own and as tests to subclass.

    from brainbench.testing import BackboneContract

    class TestMine(BackboneContract):
        name = "mymodel/small"

``brainbench check mymodel/small`` runs the same checks. Only the two contracts need pytest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from brainbench.testing.backbones import BACKBONE_CHECKS, BackboneCase
from brainbench.testing.cases import ContractError
from brainbench.testing.encoders import ENCODER_CHECKS, EncoderCase
from brainbench.util.lazy import attach

if TYPE_CHECKING:
    from brainbench.testing.contracts import BackboneContract, EncoderContract

_LATE = {
    "BackboneContract": "brainbench.testing.contracts",
    "EncoderContract": "brainbench.testing.contracts",
}

__all__ = [
    "BACKBONE_CHECKS",
    "ENCODER_CHECKS",
    "BackboneCase",
    "BackboneContract",
    "ContractError",
    "EncoderCase",
    "EncoderContract",
]

__getattr__, __dir__ = attach(__name__, _LATE, __all__)
