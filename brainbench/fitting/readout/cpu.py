"""The contraction for CPUs: readers grouped by cell, so that a few large matrix products do all of it.

All readers of one cell read the same 5 L rows of tokens T, with the weights s = share x layer, and then channels r:

    y_b = sum_kd s_k r_d T_kbd

either V = s T [m, B, D] first and then V r, or U = r T [m, 5 L, B] first and then s U: one large product, and two more for the
gradients. The smaller of V and U is made, for chunks of readers that stay in a core's cache: nothing as large as readers x
images x D, or readers x images x 5 L, ever is. B images, D channels, L layers, N readers, m of them in a chunk.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from brainbench.fitting.losses import BETA
from brainbench.fitting.readout.cells import Reading

# Figures of V or U in one chunk: 2 MB of float32.
_CHUNK = 1 << 19


def grouped_loss(local: Tensor, glob: Tensor, reading: Reading, constant: Tensor, observed: Tensor) -> Tensor:
    """Smooth L1 of y + constant against ``observed``, a scalar, with every gradient found on the way.

    local: [places with border, L, B, D]; glob: [L, B, D]; constant: [N]; observed: [N, B]. Differentiable once, in all but
    ``observed``.
    """
    corner, row, share, layer, channel = reading
    result: Tensor = _Loss.apply(local, glob, share, layer, channel, constant, corner, row, observed)
    return result


def grouped_read_out(local: Tensor, glob: Tensor, reading: Reading) -> Tensor:
    """y, [N, B]; backward computes V or U again instead of keeping it. Arguments as in ``grouped_loss``. Differentiable once."""
    corner, row, share, layer, channel = reading
    result: Tensor = _ReadOut.apply(local, glob, share, layer, channel, corner, row)
    return result


class _Readers:
    """All readers sorted by cell, the tokens they read, and the gradients of both."""

    def __init__(
        self, local: Tensor, glob: Tensor, share: Tensor, layer: Tensor, channel: Tensor, corner: Tensor
    ) -> None:
        self.order = torch.argsort(corner, stable=True)
        self.corner = corner[self.order]
        self.inputs = (local, glob, *(self.sorted(t) for t in (share, layer, channel)))
        self.grads = tuple(map(torch.zeros_like, self.inputs))

    def sorted(self, rows: Tensor) -> Tensor:
        """Rows of readers, cell by cell."""
        return rows.index_select(0, self.order)

    def in_order(self, rows: Tensor) -> Tensor:
        """Rows of readers as they came in."""
        return torch.empty_like(rows).index_copy_(0, self.order, rows)

    def gradients(self) -> tuple[Tensor, ...]:
        """Of local, glob, share, layer and channel."""
        return *self.grads[:2], *(self.in_order(t) for t in self.grads[2:])

    def chunks(self, row: int) -> Iterator[_Chunk]:
        """Readers of one cell at a time."""
        layers, images, dim = self.inputs[1].shape
        kind: type[_Chunk] = _Mixed if dim <= 5 * layers else _Projected
        size = max(16, _CHUNK // (images * min(dim, 5 * layers)))
        corners, counts = torch.unique_consecutive(self.corner, return_counts=True)
        start = 0
        for corner, count in zip(corners.tolist(), counts.tolist(), strict=True):
            for first in range(start, start + count, size):
                yield kind(self, corner, row, slice(first, min(first + size, start + count)))
            start += count


class _Chunk(ABC):
    """Some readers of one cell: T [5 L, B, D], s [m, 5 L] and r [m, D]."""

    def __init__(self, readers: _Readers, corner: int, row: int, rows: slice) -> None:
        local, glob, share, layer, channel = readers.inputs
        self.readers, self.rows = readers, rows
        self.around = slice(corner, corner + 2), slice(corner + row, corner + row + 2)
        self.tokens = torch.cat([*(local[places].flatten(0, 1) for places in self.around), glob])
        self.share, self.layer = share[rows], layer[rows]
        self.s, self.r = (self.share[:, :, None] * self.layer[:, None, :]).flatten(1), channel[rows]

    @abstractmethod
    def responses(self) -> Tensor:
        """y, [m, B]."""

    @abstractmethod
    def gradients(self, grad: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Of T, s and r; grad: of y. Once, after ``responses``."""

    def back(self, grad: Tensor) -> None:
        """Add this chunk's gradients to the readers' own; grad: of y, [m, B]. Once, after ``responses``."""
        tokens_grad, s_grad, r_grad = self.gradients(grad)
        local, glob, share, layer, channel = self.readers.grads
        places = tokens_grad.view(5, -1, *tokens_grad.shape[1:])
        local[self.around[0]] += places[:2]
        local[self.around[1]] += places[2:4]
        glob += places[4]
        s_grad = s_grad.view(len(s_grad), 5, -1)
        torch.bmm(s_grad, self.layer[:, :, None], out=share[self.rows, :, None])
        torch.bmm(self.share[:, None, :], s_grad, out=layer[self.rows, None, :])
        channel[self.rows] = r_grad


class _Mixed(_Chunk):
    """By V = s T, [m, B, D]."""

    def responses(self) -> Tensor:
        self.v = torch.mm(self.s, self.tokens.flatten(1)).view(-1, *self.tokens.shape[1:])
        return torch.bmm(self.v, self.r[:, :, None])[:, :, 0]

    def gradients(self, grad: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        r_grad = torch.bmm(grad[:, None, :], self.v)[:, 0]
        v_grad = torch.mul(grad[:, :, None], self.r[:, None, :], out=self.v).flatten(1)
        return (self.s.t() @ v_grad).view_as(self.tokens), v_grad @ self.tokens.flatten(1).t(), r_grad


class _Projected(_Chunk):
    """By U = r T, [m, 5 L, B]."""

    def responses(self) -> Tensor:
        self.u = torch.mm(self.r, self.tokens.flatten(0, 1).t()).view(-1, *self.tokens.shape[:2])
        return torch.bmm(self.s[:, None, :], self.u)[:, 0]

    def gradients(self, grad: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        s_grad = torch.bmm(self.u, grad[:, :, None])[:, :, 0]
        u_grad = torch.mul(self.s[:, :, None], grad[:, None, :], out=self.u).flatten(1)
        return (u_grad.t() @ self.r).view_as(self.tokens), s_grad, u_grad @ self.tokens.flatten(0, 1)


class _Loss(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, local: Tensor, glob: Tensor, share: Tensor, layer: Tensor, channel: Tensor, constant: Tensor,
        corner: Tensor, row: int, observed: Tensor,
    ) -> Tensor:  # fmt: skip
        readers = _Readers(local, glob, share, layer, channel, corner)
        constant, observed = readers.sorted(constant), readers.sorted(observed)
        constant_grad, total = torch.empty_like(constant), observed.new_zeros((), dtype=torch.float64)
        for chunk in readers.chunks(row):
            error = chunk.responses() + constant[chunk.rows, None] - observed[chunk.rows]
            slope = (error / BETA).clamp(-1, 1)
            total += (slope * (error - slope * (BETA / 2))).sum()
            slope /= observed.numel()
            constant_grad[chunk.rows] = slope.sum(dim=1)
            chunk.back(slope)
        ctx.save_for_backward(*readers.gradients(), readers.in_order(constant_grad))
        return (total / observed.numel()).to(observed.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        return *(g * grad for g in ctx.saved_tensors), None, None, None


class _ReadOut(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, local: Tensor, glob: Tensor, share: Tensor, layer: Tensor, channel: Tensor, corner: Tensor, row: int
    ) -> Tensor:
        readers = _Readers(local, glob, share, layer, channel, corner)
        y = local.new_empty(len(corner), glob.shape[1])
        for chunk in readers.chunks(row):
            y[chunk.rows] = chunk.responses()
        ctx.row = row
        ctx.save_for_backward(local, glob, share, layer, channel, corner)
        return readers.in_order(y)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        readers = _Readers(*ctx.saved_tensors)
        grad = readers.sorted(grad)
        for chunk in readers.chunks(ctx.row):
            chunk.responses()
            chunk.back(grad[chunk.rows])
        return *readers.gradients(), None, None
