"""``brainbench.from_module``: a backbone from any torch module in memory, without a plugin."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from PIL import Image

from brainbench.backbones.in_memory import InMemory
from brainbench.backbones.module_backbone import ModuleBackbone, check_values
from brainbench.cards import BackboneCard
from brainbench.errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor, nn


def from_module(
    model: nn.Module,
    layers: Sequence[str] | Mapping[str, str],
    preprocess: Callable[[Image.Image], Tensor],
    *,
    name: str = "mymodel",
    layout: str | Mapping[str, str] | None = None,
    **facts: Any,
) -> BackboneCard:
    """Make a backbone of any torch module in memory; give it to ``run(backbones=...)``.

    A run reads the network as it is when the run begins, in eval mode, and leaves it in the mode and on the device that it
    found. A network that has changed in the meantime, in whatever way, is another one, with tokens and results of its own.

    Args:
        model: the network.
        layers: names of its submodules, early to late (``dict(model.named_modules())``), whose outputs are the tokens:
            [B, C, H, W] or [B, H, W, C] maps, [B, N, C] sequences with or without other tokens than patches, or [B, C]; or layer
            name -> submodule.
        preprocess: one RGB image -> [3, H, W], or what a processor of transformers makes of it.
        layout: only where ``run`` asks for it: ``BCHW``, ``BHWC``, or a sequence such as ``1+14x14+4`` (tokens before the
            patches, their grid, tokens after), for all layers or by layer.
        name: how boards call it.
        facts: further BackboneCard fields, e.g. ``licence`` or ``training_data``.

    Raises:
        UsageError: when ``layers`` is empty or names no submodule, or when the preprocessing or the network gives another result
            each time (a random crop, dropout that is always on), and for a module that cannot be read: TorchScript, or one
            whose parameters hold no values yet.
    """
    if name == "all" or {*name} & {*"*?["}:
        raise UsageError(
            f"from_module(name={name!r}): that selects other backbones; give the network a name of its own"
        )
    backbone = ModuleBackbone(model, layers, preprocess, layout=layout)
    check_values(model)
    targets = layers if isinstance(layers, Mapping) else {layer: layer for layer in layers}
    loader = InMemory(name, model, targets, backbone)
    return BackboneCard(
        name=name,
        loader=loader,
        summary=f"{type(model).__name__}, made in memory",
        weights="in memory",
        version=loader.identity,
        layers=len(layers),
        **facts,
    )
