"""The contraction of GNetViT: every voxel sums all local tokens with a field of its own (appendix F.1).

    y_bi = sum_d r_id sum_lp F_ilp T_lbpd

As matrices, V = F T and y = V r, over blocks of voxels whose V stays in a core's cache; backward takes two more products. The
fields, V x L P of them, are most of the parameters and of the cost: the paper counts 94 times that of classToken.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from brainbench.fitting.losses import BETA

# Figures of V in one block: 2 MB of float32 on a CPU.
_BLOCK = {"cpu": 1 << 19, "cuda": 1 << 26}


def pool_out(tokens: Tensor, fields: Tensor, channel: Tensor) -> Tensor:
    """Responses without the voxels' constants; for predictions, no gradients flow.

    tokens: [L, B, P, D], aligned; fields: F, [V, L * P]; channel: r, [V, D]. Returns [B, V].
    """
    table = _table(tokens)
    y = fields.new_empty(len(fields), tokens.shape[1])
    with torch.no_grad():
        for rows in _blocks(table, len(fields)):
            y[rows] = _responses(_pooled(fields[rows], table, tokens), channel[rows])
    return y.t()


def pool_out_loss(tokens: Tensor, fields: Tensor, channel: Tensor, constant: Tensor, observed: Tensor) -> Tensor:
    """The smooth L1 loss of ``pool_out(...) + constant`` against ``observed`` [B, V], a scalar; constant: [V].

    Differentiable once, in all but ``observed``; the gradients are found on the way.
    """
    result: Tensor = _Loss.apply(tokens, fields, channel, constant, observed)
    return result


def _table(tokens: Tensor) -> Tensor:
    """[L, B, P, D] -> [L * P, B * D]."""
    return tokens.transpose(1, 2).flatten(0, 1).flatten(1)


def _pooled(fields: Tensor, table: Tensor, tokens: Tensor) -> Tensor:
    """V, [m, B, D]."""
    return (fields @ table).view(len(fields), tokens.shape[1], -1)


def _responses(v: Tensor, channel: Tensor) -> Tensor:
    return torch.bmm(v, channel[:, :, None])[:, :, 0]


def _blocks(table: Tensor, voxels: int) -> Iterator[slice]:
    size = max(16, _BLOCK[table.device.type] // table.shape[1])
    return (slice(start, start + size) for start in range(0, voxels, size))


class _Loss(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, tokens: Tensor, fields: Tensor, channel: Tensor, constant: Tensor, observed: Tensor
    ) -> Tensor:
        table, observed = _table(tokens), observed.t()
        table_grad = torch.zeros_like(table)
        grads = [torch.empty_like(t) for t in (fields, channel, constant)]
        total = observed.new_zeros((), dtype=torch.float64)
        for rows in _blocks(table, len(fields)):
            v = _pooled(fields[rows], table, tokens)
            error = _responses(v, channel[rows]) + constant[rows, None] - observed[rows]
            slope = (error / BETA).clamp(-1, 1)
            total += (slope * (error - slope * (BETA / 2))).sum()
            slope /= observed.numel()
            grads[2][rows] = slope.sum(dim=1)
            grads[1][rows] = torch.bmm(slope[:, None, :], v)[:, 0]
            v_grad = torch.mul(slope[:, :, None], channel[rows, None, :], out=v).flatten(1)
            torch.mm(v_grad, table.t(), out=grads[0][rows])
            table_grad.addmm_(fields[rows].t(), v_grad)
        layers, images, places, dim = tokens.shape
        tokens_grad = table_grad.view(layers, places, images, dim).transpose(1, 2)
        ctx.save_for_backward(tokens_grad, *grads)
        return (total / observed.numel()).to(observed.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        return *(g * grad for g in ctx.saved_tensors), None
