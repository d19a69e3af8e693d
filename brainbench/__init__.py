"""brainbench: which layers of a vision network does the human visual cortex read, how well, and how do networks compare?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from brainbench.backbones.packaged_weights import shipped
from brainbench.cards import BackboneCard, DatasetCard, EncoderCard, MetricCard, Setting, lazy
from brainbench.engines import EngineCard, Queue
from brainbench.errors import (
    BrainbenchError,
    DataError,
    PluginError,
    StoreError,
    UsageError,
    WeightsError,
    did_you_mean,
)
from brainbench.hookspecs import hookimpl
from brainbench.parts import Part, RemoteFile
from brainbench.protocols import (
    Aligning,
    Backbone,
    Dataset,
    Distinguished,
    Encoder,
    Fitted,
    JointBackbone,
    Labelled,
    Metric,
    RecordsMetric,
    Restoring,
    Surveyed,
)
from brainbench.types import (
    Cell,
    Features,
    FitContext,
    Labels,
    Masks,
    MetricInputs,
    Predictions,
    Responses,
    Score,
    Selectors,
    Stimuli,
    Surface,
    Tokens,
    Weights,
)
from brainbench.util.hashing import file_sha256
from brainbench.util.lazy import attach

if TYPE_CHECKING:
    from brainbench.api.features import features, features_key
    from brainbench.api.from_module import from_module
    from brainbench.api.predict import predict
    from brainbench.api.reopen import Reopened, reopen
    from brainbench.api.run import run
    from brainbench.backbones.build_network import build_network, numbered_layers
    from brainbench.backbones.checkpoints import load_state, load_strict
    from brainbench.backbones.module_backbone import ModuleBackbone, read_outputs, seeded
    from brainbench.backbones.preprocessing import CLIP_MEAN, CLIP_STD, IMAGENET_MEAN, IMAGENET_STD, square
    from brainbench.metrics.bootstrap import resamples
    from brainbench.metrics.layer_profile import layer_confidence, layer_place

__version__ = "0.1.0"

# Public, but only with torch or pandas behind them: imported at first use, so that the command line starts without them.
_LATE = {
    "CLIP_MEAN": "brainbench.backbones.preprocessing",
    "CLIP_STD": "brainbench.backbones.preprocessing",
    "IMAGENET_MEAN": "brainbench.backbones.preprocessing",
    "IMAGENET_STD": "brainbench.backbones.preprocessing",
    "ModuleBackbone": "brainbench.backbones.module_backbone",
    "Reopened": "brainbench.api.reopen",
    "build_network": "brainbench.backbones.build_network",
    "features": "brainbench.api.features",
    "features_key": "brainbench.api.features",
    "from_module": "brainbench.api.from_module",
    "layer_confidence": "brainbench.metrics.layer_profile",
    "layer_place": "brainbench.metrics.layer_profile",
    "load_state": "brainbench.backbones.checkpoints",
    "load_strict": "brainbench.backbones.checkpoints",
    "numbered_layers": "brainbench.backbones.build_network",
    "predict": "brainbench.api.predict",
    "read_outputs": "brainbench.backbones.module_backbone",
    "reopen": "brainbench.api.reopen",
    "resamples": "brainbench.metrics.bootstrap",
    "run": "brainbench.api.run",
    "seeded": "brainbench.backbones.module_backbone",
    "square": "brainbench.backbones.preprocessing",
}

__all__ = [
    "CLIP_MEAN",
    "CLIP_STD",
    "IMAGENET_MEAN",
    "IMAGENET_STD",
    "Aligning",
    "Backbone",
    "BackboneCard",
    "BrainbenchError",
    "Cell",
    "DataError",
    "Dataset",
    "DatasetCard",
    "Distinguished",
    "Encoder",
    "EncoderCard",
    "EngineCard",
    "Features",
    "FitContext",
    "Fitted",
    "JointBackbone",
    "Labelled",
    "Labels",
    "Masks",
    "Metric",
    "MetricCard",
    "MetricInputs",
    "ModuleBackbone",
    "Part",
    "PluginError",
    "Predictions",
    "Queue",
    "RecordsMetric",
    "RemoteFile",
    "Reopened",
    "Responses",
    "Restoring",
    "Score",
    "Selectors",
    "Setting",
    "Stimuli",
    "StoreError",
    "Surface",
    "Surveyed",
    "Tokens",
    "UsageError",
    "Weights",
    "WeightsError",
    "build_network",
    "did_you_mean",
    "features",
    "features_key",
    "file_sha256",
    "from_module",
    "hookimpl",
    "layer_confidence",
    "layer_place",
    "lazy",
    "load_state",
    "load_strict",
    "numbered_layers",
    "predict",
    "read_outputs",
    "reopen",
    "resamples",
    "run",
    "seeded",
    "shipped",
    "square",
]

__getattr__, __dir__ = attach(__name__, _LATE, __all__)
