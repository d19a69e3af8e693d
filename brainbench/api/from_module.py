"""``brainbench.from_module``: a backbone from any torch module in memory, without a plugin."""

from __future__ import annotations

import hashlib
import inspect
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from brainbench.backbones.checkpoints import state_sha256
from brainbench.backbones.module_backbone import ModuleBackbone
from brainbench.cards import BackboneCard
from brainbench.errors import UsageError
from brainbench.types import Weights

if TYPE_CHECKING:
    from torch import Tensor, nn


def from_module(
    model: nn.Module,
    layers: Sequence[str],
    preprocess: Callable[[Image.Image], Tensor],
    *,
    name: str = "mymodel",
    **facts: Any,
) -> BackboneCard:
    """Make a backbone of any torch module in memory; give it to ``run(backbones=...)``.

    Args:
        model: the network; it is read as it is now, in eval mode.
        layers: names of its submodules, early to late (``dict(model.named_modules())``), whose outputs are the tokens:
            [B, C, H, W] maps, [B, N, C] sequences with or without a class token, or [B, C].
        preprocess: one RGB image -> [3, H, W].
        name: how boards call it.
        facts: further BackboneCard fields, e.g. ``licence`` or ``training_data``.

    Raises:
        UsageError: when ``layers`` is empty or names no submodule.
    """
    backbone = ModuleBackbone(model, layers, preprocess)
    identity = f"{state_sha256(model)} {model} {_code(model)} {list(layers)} {_recipe(preprocess)}"

    def load(*, weights: Weights, settings: Mapping[str, Any]) -> ModuleBackbone:
        if weights.kind == "file":
            raise UsageError(f"{name} was made in memory: load the file into the module before from_module")
        return backbone

    return BackboneCard(
        name=name,
        loader=load,
        summary=f"{type(model).__name__}, made in memory",
        weights="in memory",
        version=hashlib.sha256(identity.encode()).hexdigest(),
        layers=len(layers),
        **facts,
    )


def _code(model: nn.Module) -> list[str]:
    """Return the source of every class in the network, where it exists: an edited forward makes another network."""
    found = []
    for kind in {type(module) for module in model.modules()}:
        try:
            found.append(inspect.getsource(kind))
        except (OSError, TypeError):  # typed at a prompt
            found.append(kind.__qualname__)
    return sorted(found)


def _recipe(preprocess: Callable[[Image.Image], Tensor]) -> str:
    """Return what a preprocessing makes of two pictures of noise, which reveals its constants, closures and object state."""
    rng = np.random.default_rng(0)
    noise = [rng.integers(0, 256, (height, width, 3), dtype=np.uint8) for height, width in ((48, 64), (400, 300))]
    try:
        made = [preprocess(Image.fromarray(picture)).numpy(force=True) for picture in noise]
    # One that takes other pictures only may raise anything. Nothing is known of it then, so it is like no other:
    # its features serve as long as the card that from_module returns, and are never taken for another's.
    except Exception:
        return uuid.uuid4().hex
    return " ".join(f"{array.dtype} {array.shape} {hashlib.sha256(array.tobytes()).hexdigest()}" for array in made)
