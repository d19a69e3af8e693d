"""The MLPs of the selectors: they see every voxel at every step, so most of a step's arithmetic is here."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn
from torch.autograd.function import once_differentiable

from brainbench.fitting.channel_align import Linear

HIDDEN = 128
# Rows whose activations stay in a core's cache; a GPU takes all it can get.
_ROWS = {"cpu": 1024, "cuda": 1 << 16}


class Mlp(nn.Sequential):
    """inputs-128-128-outputs with exact GELU; starts at ``start`` [outputs] whatever its input. [V, inputs] -> [V, outputs].

    Gradients flow into the parameters only. The same arithmetic as ``nn.Sequential``, in blocks of voxels, with the one
    large thing that backward needs (both layers before their GELU) kept in one place from step to step: handing that much
    memory back and forth costs as much as computing it.
    """

    def __init__(self, inputs: int, start: Tensor, generator: Generator) -> None:
        last = Linear(HIDDEN, len(start), generator, zero=True)
        last.bias.data.copy_(start)
        first, second = Linear(inputs, HIDDEN, generator), Linear(HIDDEN, HIDDEN, generator)
        super().__init__(first, nn.GELU(), second, nn.GELU(), last)
        self._work: Tensor | None = None

    def forward(self, x: Tensor, basis: Tensor | None = None) -> Tensor:
        """[V, inputs] -> [V, outputs]; with a basis [r, inputs], x is [V, r] and the inputs are their product.

        That product is never made: the first layer's weights are multiplied by the basis instead, once for all voxels.
        """
        parameters: list[Tensor] = [p for layer in (self[0], self[2], self[4]) for p in layer.parameters()]
        if basis is not None:
            parameters[0] = torch.mm(parameters[0], basis.t())
        work = self._workspace(x) if torch.is_grad_enabled() else None
        result: Tensor = _Mlp.apply(x, work, *parameters)
        return result

    def _workspace(self, x: Tensor) -> Tensor:
        shape = (2, len(x), HIDDEN)
        if self._work is None or (self._work.shape, self._work.dtype, self._work.device) != (shape, x.dtype, x.device):
            self._work = x.new_empty(shape)
        return self._work


class _Mlp(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, work: Tensor | None, *parameters: Tensor) -> Tensor:
        w1, b1, w2, b2, w3, b3 = parameters
        out = x.new_empty(len(x), len(b3))
        for rows in _blocks(x):
            first = torch.addmm(b1, x[rows], w1.t(), out=None if work is None else work[0, rows])
            second = torch.addmm(b2, F.gelu(first), w2.t(), out=None if work is None else work[1, rows])
            torch.addmm(b3, F.gelu(second), w3.t(), out=out[rows])
        # Saved the official way although it is written again at the next step: autograd then refuses a backward that
        # would come too late.
        ctx.save_for_backward(x, work, *parameters)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, work, w1, b1, w2, b2, w3, b3 = ctx.saved_tensors
        g1, gb1, g2, gb2, g3, gb3 = (torch.zeros_like(p) for p in (w1, b1, w2, b2, w3, b3))
        for rows in _blocks(x):
            first, second, g = work[0, rows], work[1, rows], grad[rows]
            g3.addmm_(g.t(), F.gelu(second))
            gb3 += g.sum(dim=0)
            g = torch.ops.aten.gelu_backward(g @ w3, second)
            g2.addmm_(g.t(), F.gelu(first))
            gb2 += g.sum(dim=0)
            g = torch.ops.aten.gelu_backward(g @ w2, first)
            g1.addmm_(g.t(), x[rows])
            gb1 += g.sum(dim=0)
        return None, None, g1, gb1, g2, gb2, g3, gb3


def _blocks(x: Tensor) -> list[slice]:
    size = _ROWS[x.device.type]
    return [slice(start, start + size) for start in range(0, len(x), size)]
