"""Small parts that encoders are made of, initialised from a generator: the global random state is never read or moved."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

import torch
from torch import Generator, Tensor, nn


class Linear(nn.Module):
    """x W^T + b, started uniformly within 1/sqrt(inputs), or at zero.

    weight: [outputs, inputs]; bias: [outputs].
    """

    def __init__(self, inputs: int, outputs: int, generator: Generator, *, zero: bool = False) -> None:
        super().__init__()
        bound = 0.0 if zero else 1 / sqrt(inputs)
        self.weight = nn.Parameter(_uniform((outputs, inputs), bound, generator))
        self.bias = nn.Parameter(_uniform((outputs,), bound, generator))

    def forward(self, x: Tensor) -> Tensor:
        """[..., inputs] -> [..., outputs]."""
        return nn.functional.linear(x, self.weight, self.bias)


# Channels of a layer whose matrix is stored as it is.
INPUTS = 32


def unit(inputs: int) -> float:
    """What the weights of so many inputs are stored in units of.

    AdamW moves every weight by about the learning rate a step, however many there are; for a layer of hundreds of channels
    that is a third of what a weight starts at, and the fit has learned a few hundred images by heart within an epoch.
    """
    return min(1.0, sqrt(INPUTS / inputs))


class WideLinear(nn.Module):
    """``Linear`` of many inputs, learning at the pace of one of ``INPUTS``: its weight is stored in units of ``unit``.

    The bias starts at zero.
    """

    def __init__(self, inputs: int, outputs: int, generator: Generator) -> None:
        super().__init__()
        self.unit = unit(inputs)
        self.weight = nn.Parameter(_uniform((outputs, inputs), 1 / sqrt(inputs) / self.unit, generator))
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x: Tensor) -> Tensor:
        """[..., inputs] -> [..., outputs]."""
        return nn.functional.linear(x, self.weight * self.unit, self.bias)


class ChannelAlign(nn.Module):
    """Channel align, B_l of section 3.1: a matrix C_l -> D for every layer.

    There is no constant: the tokens come centred, and every voxel has its own. separate: whether the last place, the global
    token, has matrices of its own; the paper gives one to a layer's local and global tokens.

    A wide layer's matrix is stored in a smaller unit (``unit``), so that it learns at the pace of one of ``INPUTS`` channels.
    """

    def __init__(self, channels: Sequence[int], dim: int, generator: Generator, *, separate: bool = False) -> None:
        super().__init__()
        self.dim = dim
        self.layers = nn.ParameterList(_normal((dim, c), 1 / sqrt(c) / unit(c), generator) for c in channels)
        self.globals = nn.ParameterList(
            _normal((dim, c), 1 / sqrt(c) / unit(c), generator) for c in channels if separate
        )

    def forward(self, tokens: Sequence[Tensor]) -> Tensor:
        """Per layer [B, P, C_l] -> [L, B, P, D]."""
        return torch.stack([self.layer(number, t) for number, t in enumerate(tokens)])

    def layer(self, number: int, tokens: Tensor) -> Tensor:
        """Tokens of one layer [B, P, C_l] -> [B, P, D]."""
        weight = self.matrix(number)
        if not self.globals:
            return tokens @ weight.t()
        return torch.cat([tokens[:, :-1] @ weight.t(), tokens[:, -1:] @ self.matrix(number, of_global=True).t()], dim=1)

    def matrix(self, number: int, *, of_global: bool = False) -> Tensor:
        """B_l of one layer [D, C_l]; of_global: its global token's own."""
        stored: Tensor = (self.globals if of_global else self.layers)[number]
        return stored * unit(stored.shape[1])


def _uniform(shape: Sequence[int], bound: float, generator: Generator) -> Tensor:
    return (torch.rand(*shape, generator=generator) * 2 - 1) * bound


def _normal(shape: Sequence[int], sd: float, generator: Generator) -> Tensor:
    return torch.randn(*shape, generator=generator) * sd
