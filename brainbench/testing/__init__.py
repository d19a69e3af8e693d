"""The conformance kit: what every backbone, encoder, metric and dataset has to do, as checks and as tests to subclass.

    from brainbench.testing import BackboneContract

    class TestMine(BackboneContract):
        name = "mymodel/small"

``EncoderContract``, ``MetricContract`` and ``DatasetContract`` are used alike. ``skips = {"draws": "why"}`` leaves a check out, for
a reason. ``brainbench check mymodel/small`` runs the same checks. Only the contracts need pytest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from brainbench.testing.backbones import BACKBONE_CHECKS, BackboneCase
from brainbench.testing.cases import ContractError
from brainbench.testing.datasets import DATASET_CHECKS, DatasetCase
from brainbench.testing.encoders import ENCODER_CHECKS, EncoderCase
from brainbench.testing.metrics import METRIC_CHECKS, MetricCase
from brainbench.util.lazy import attach

if TYPE_CHECKING:
    from brainbench.testing.contracts import BackboneContract, DatasetContract, EncoderContract, MetricContract

_LATE = {f"{kind}Contract": "brainbench.testing.contracts" for kind in ("Backbone", "Dataset", "Encoder", "Metric")}

__all__ = [
    "BACKBONE_CHECKS",
    "DATASET_CHECKS",
    "ENCODER_CHECKS",
    "METRIC_CHECKS",
    "BackboneCase",
    "BackboneContract",
    "ContractError",
    "DatasetCase",
    "DatasetContract",
    "EncoderCase",
    "EncoderContract",
    "MetricCase",
    "MetricContract",
]

__getattr__, __dir__ = attach(__name__, _LATE, __all__)
