"""One channel space for the layers of several networks, and what can be seen in it (AlignedCut)."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from brainbench_alignedcut.encoder import restore

__all__ = ["restore"]


def __getattr__(name: str) -> Any:
    # At first use: the command line lists the cards without torch.
    if name == "restore":
        return import_module("brainbench_alignedcut.encoder").restore
    raise AttributeError(f"module 'brainbench_alignedcut' has no attribute {name!r}")
