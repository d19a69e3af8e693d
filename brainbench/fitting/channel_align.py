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


class ChannelAlign(nn.Module):
    """Channel align, B_l of section 3.1: a matrix C_l -> D for every layer.

    There is no constant: the tokens come centred, and every voxel has its own. separate: whether the last place, the global
    token, has matrices of its own; the paper gives one to a layer's local and global tokens.
    """

    def __init__(self, channels: Sequence[int], dim: int, generator: Generator, *, separate: bool = False) -> None:
        super().__init__()
        self.dim = dim
        self.layers = nn.ParameterList(_normal((dim, c), 1 / sqrt(c), generator) for c in channels)
        self.globals = nn.ParameterList(_normal((dim, c), 1 / sqrt(c), generator) for c in channels if separate)

    def forward(self, tokens: Sequence[Tensor]) -> Tensor:
        """Per layer [B, P, C_l] -> [L, B, P, D]."""
        return torch.stack([self.layer(number, t) for number, t in enumerate(tokens)])

    def layer(self, number: int, tokens: Tensor) -> Tensor:
        """Tokens of one layer [B, P, C_l] -> [B, P, D]."""
        weight: Tensor = self.layers[number]
        if not self.globals:
            return tokens @ weight.t()
        own: Tensor = self.globals[number]
        return torch.cat([tokens[:, :-1] @ weight.t(), tokens[:, -1:] @ own.t()], dim=1)


def _uniform(shape: Sequence[int], bound: float, generator: Generator) -> Tensor:
    return (torch.rand(*shape, generator=generator) * 2 - 1) * bound


def _normal(shape: Sequence[int], sd: float, generator: Generator) -> Tensor:
    return torch.randn(*shape, generator=generator) * sd
