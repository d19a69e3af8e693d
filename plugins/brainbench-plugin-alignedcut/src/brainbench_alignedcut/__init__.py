"""One channel space for the layers of several networks, and what it reveals (AlignedCut)."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from brainbench_alignedcut.activation import brain_activation, ground_of, roi_weights
    from brainbench_alignedcut.channels import channel_maps, principal_channels, to_rgb
    from brainbench_alignedcut.concepts import farthest_points, find_balls, nearest_concept, transitions
    from brainbench_alignedcut.discovery import Concepts, discover
    from brainbench_alignedcut.embedding import Embedding
    from brainbench_alignedcut.encoder import restore
    from brainbench_alignedcut.fits import Fit, find
    from brainbench_alignedcut.gathering import gather
    from brainbench_alignedcut.views import Channels, view

# Imported at first use: plugins are loaded before the requested command is known.
_LATE = {
    "Channels": "views",
    "Concepts": "discovery",
    "Embedding": "embedding",
    "Fit": "fits",
    "brain_activation": "activation",
    "channel_maps": "channels",
    "discover": "discovery",
    "farthest_points": "concepts",
    "find": "fits",
    "find_balls": "concepts",
    "gather": "gathering",
    "ground_of": "activation",
    "nearest_concept": "concepts",
    "principal_channels": "channels",
    "restore": "encoder",
    "roi_weights": "activation",
    "to_rgb": "channels",
    "transitions": "concepts",
    "view": "views",
}

__all__ = [
    "Channels",
    "Concepts",
    "Embedding",
    "Fit",
    "brain_activation",
    "channel_maps",
    "discover",
    "farthest_points",
    "find",
    "find_balls",
    "gather",
    "ground_of",
    "nearest_concept",
    "principal_channels",
    "restore",
    "roi_weights",
    "to_rgb",
    "transitions",
    "view",
]


def __getattr__(name: str) -> Any:
    if name in _LATE:
        return getattr(import_module(f"brainbench_alignedcut.{_LATE[name]}"), name)
    raise AttributeError(f"module 'brainbench_alignedcut' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
