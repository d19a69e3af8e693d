"""The conformance kit: what every backbone and every encoder has to do, as checks of their own and as tests to subclass.

    from brainbench.testing import BackboneContract

    class TestMine(BackboneContract):
        name = "mymodel/small"

``brainbench check mymodel/small`` runs the same checks. Only the two contracts need pytest.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from brainbench.testing.backbones import BACKBONE_CHECKS, BackboneCase
from brainbench.testing.cases import ContractError
from brainbench.testing.encoders import ENCODER_CHECKS, EncoderCase

if TYPE_CHECKING:
    from brainbench.testing.contracts import BackboneContract, EncoderContract

__all__ = [
    "BACKBONE_CHECKS",
    "ENCODER_CHECKS",
    "BackboneCase",
    "BackboneContract",
    "ContractError",
    "EncoderCase",
    "EncoderContract",
]


def __getattr__(name: str) -> Any:
    if name in ("BackboneContract", "EncoderContract"):
        return getattr(import_module("brainbench.testing.contracts"), name)
    raise AttributeError(f"module 'brainbench.testing' has no attribute {name!r}")
