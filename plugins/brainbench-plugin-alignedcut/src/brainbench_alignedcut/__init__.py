"""One channel space for the layers of several networks, and what can be seen in it (AlignedCut)."""

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

# Imported at first use: plugins are loaded before it is known which command was asked for.
_LATE = {
    "Concepts": "discovery",
    "Embedding": "embedding",
    "brain_activation": "activation",
    "channel_maps": "channels",
    "discover": "discovery",
    "farthest_points": "concepts",
    "find_balls": "concepts",
    "ground_of": "activation",
    "nearest_concept": "concepts",
    "principal_channels": "channels",
    "restore": "encoder",
    "roi_weights": "activation",
    "to_rgb": "channels",
    "transitions": "concepts",
}

__all__ = [
    "Concepts",
    "Embedding",
    "brain_activation",
    "channel_maps",
    "discover",
    "farthest_points",
    "find_balls",
    "ground_of",
    "nearest_concept",
    "principal_channels",
    "restore",
    "roi_weights",
    "to_rgb",
    "transitions",
]


def __getattr__(name: str) -> Any:
    if name in _LATE:
        return getattr(import_module(f"brainbench_alignedcut.{_LATE[name]}"), name)
    raise AttributeError(f"module 'brainbench_alignedcut' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
