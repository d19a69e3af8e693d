"""brainbench: which layers of a vision network does the human visual cortex read, how well, and how do networks compare?"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from brainbench.cards import BackboneCard, DatasetCard, EncoderCard, MetricCard, Part, Setting, lazy
from brainbench.errors import (
    BrainbenchError,
    DataError,
    PluginError,
    StoreError,
    UsageError,
    WeightsError,
    did_you_mean,
)
from brainbench.hashing import file_sha256
from brainbench.hookspecs import hookimpl
from brainbench.protocols import (
    Aligning,
    Backbone,
    Dataset,
    Encoder,
    Fitted,
    JointBackbone,
    Metric,
    RecordsMetric,
    Surveyed,
)
from brainbench.shipping import shipped
from brainbench.types import (
    Cell,
    Features,
    FitContext,
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

if TYPE_CHECKING:
    from brainbench.api import from_module, run
    from brainbench.checkpoints import load_state, load_strict
    from brainbench.extraction import Reopened, features, reopen
    from brainbench.layers import layer_confidence, layer_place
    from brainbench.modules import ModuleBackbone, read_outputs, seeded
    from brainbench.preprocessing import CLIP_MEAN, CLIP_STD, IMAGENET_MEAN, IMAGENET_STD, square
    from brainbench.resampling import resamples

__version__ = "0.1.0"

# Public, but only with torch or pandas behind them: imported at first use, so that the command line starts without them.
_LATE = {
    "CLIP_MEAN": "brainbench.preprocessing",
    "CLIP_STD": "brainbench.preprocessing",
    "IMAGENET_MEAN": "brainbench.preprocessing",
    "IMAGENET_STD": "brainbench.preprocessing",
    "ModuleBackbone": "brainbench.modules",
    "Reopened": "brainbench.extraction",
    "features": "brainbench.extraction",
    "from_module": "brainbench.api",
    "layer_confidence": "brainbench.layers",
    "layer_place": "brainbench.layers",
    "load_state": "brainbench.checkpoints",
    "load_strict": "brainbench.checkpoints",
    "read_outputs": "brainbench.modules",
    "reopen": "brainbench.extraction",
    "resamples": "brainbench.resampling",
    "run": "brainbench.api",
    "seeded": "brainbench.modules",
    "square": "brainbench.preprocessing",
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
    "Encoder",
    "EncoderCard",
    "Features",
    "FitContext",
    "Fitted",
    "JointBackbone",
    "Masks",
    "Metric",
    "MetricCard",
    "MetricInputs",
    "ModuleBackbone",
    "Part",
    "PluginError",
    "Predictions",
    "RecordsMetric",
    "Reopened",
    "Responses",
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
    "did_you_mean",
    "features",
    "file_sha256",
    "from_module",
    "hookimpl",
    "layer_confidence",
    "layer_place",
    "lazy",
    "load_state",
    "load_strict",
    "read_outputs",
    "reopen",
    "resamples",
    "run",
    "seeded",
    "shipped",
    "square",
]


def __getattr__(name: str) -> Any:
    if name in _LATE:
        return getattr(import_module(_LATE[name]), name)
    raise AttributeError(f"module 'brainbench' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
