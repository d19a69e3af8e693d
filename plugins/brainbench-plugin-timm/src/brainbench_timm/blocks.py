"""The blocks of a convolutional network's stages, where timm's own interface gives the stages alone."""

from __future__ import annotations

import torch
from torch import nn

from brainbench import read_outputs

# How timm's classes call the list of their stages, or the stages one by one. A stage is a list of blocks, or has one.
LISTS = ("blocks", "stages")
NUMBERED = ("layer", "s")


def block_paths(network: nn.Module, size: int) -> list[str]:
    """Paths of the blocks, early to late, of a network on the meta device that takes pictures of ``size`` px.

    Empty for a network without stages of blocks, such as a plain transformer, and unless every block gives maps [B, C, H, W].
    """
    paths = [path for stage in _stages(network) for path in _blocks(network, stage)]
    if not paths:
        return []
    try:
        with torch.device("meta"):
            outputs = read_outputs(network.eval(), paths, torch.zeros(1, 3, size, size))
    # A block may not run, or give several tensors, and some operations need values.
    except Exception:
        return []
    # Of a square picture the maps are squares; channels that come last are not.
    maps = all(one.ndim == 4 and one.shape[2] == one.shape[3] for one in outputs)
    return paths if maps else []


def _stages(network: nn.Module) -> list[str]:
    for name in LISTS:
        stages = getattr(network, name, None)
        if isinstance(stages, nn.Sequential | nn.ModuleList):
            return [f"{name}.{i}" for i in range(len(stages))]
    return [
        f"{name}{i}"
        for name in NUMBERED
        for i in range(1, 10)
        if isinstance(getattr(network, f"{name}{i}", None), nn.Module)
    ]


def _blocks(network: nn.Module, stage: str) -> list[str]:
    module = network.get_submodule(stage)
    inner = getattr(module, "blocks", None)
    if isinstance(inner, nn.Sequential | nn.ModuleList):
        return [f"{stage}.blocks.{i}" for i in range(len(inner))]
    # Sequences number their blocks from 0; RegNet's stages, which are no sequences, from b1.
    names = [name for name, _ in module.named_children()]
    return [f"{stage}.{name}" for name in names] if all(name.removeprefix("b").isdigit() for name in names) else []
