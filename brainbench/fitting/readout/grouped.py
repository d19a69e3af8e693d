"""The contraction for CPUs: readers grouped by cell, so that a few large matrix products do all of it.

All readers of one cell mix the same 5 L rows of tokens. With S = share x layer, [m, 5 L], their mixtures are V = S T, one
product; y = V r; and backward takes two more. Groups are cut into chunks whose V stays in a core's cache: nothing as large as
readers x images x D, or readers x images x 5 L, is ever made. B images, D channels, L layers, N readers.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from brainbench.fitting.losses import BETA
from brainbench.fitting.readout.cells import Reading

# Figures of V in one chunk: 2 MB of float32.
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
    """y, [N, B]; backward computes V again instead of keeping it. Arguments as in ``grouped_loss``. Differentiable once."""
    corner, row, share, layer, channel = reading
    result: Tensor = _ReadOut.apply(local, glob, share, layer, channel, corner, row)
    return result


class _Tables:
    """The tokens that the cells read, as matrices with a row for each place and layer; and their gradients."""

    def __init__(self, local: Tensor, glob: Tensor, row: int) -> None:
        self.layers, self.images, self.dim = glob.shape
        self.row = row
        self.local, self.glob = local.contiguous().flatten(2), glob.contiguous().flatten(1)
        self.local_grad, self.glob_grad = torch.zeros_like(self.local), torch.zeros_like(self.glob)

    def read(self, corner: int, s: Tensor) -> Tensor:
        """S [m, 5 L] -> V [m, B D]."""
        top, bottom, glob = self._split(s)
        v = torch.mm(top, self._pair(self.local, corner))
        v.addmm_(bottom, self._pair(self.local, corner + self.row))
        return v.addmm_(glob, self.glob)

    def back(self, corner: int, s: Tensor, v_grad: Tensor) -> Tensor:
        """The gradient of V [m, B D] -> that of S [m, 5 L]; the tokens' is added to theirs."""
        s_grad = torch.empty_like(s)
        parts = (
            (self._pair(self.local, corner), self._pair(self.local_grad, corner)),
            (self._pair(self.local, corner + self.row), self._pair(self.local_grad, corner + self.row)),
            (self.glob, self.glob_grad),
        )
        for columns, into, (tokens, grad) in zip(self._split(s), self._split(s_grad), parts, strict=True):
            into.copy_(torch.mm(v_grad, tokens.t()))
            grad.addmm_(columns.t(), v_grad)
        return s_grad

    def _pair(self, table: Tensor, place: int) -> Tensor:
        """Two neighbouring places: [2 L, B D]."""
        return table[place : place + 2].flatten(0, 1)

    def _split(self, s: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Columns of the top corners, of the bottom corners and of the global token."""
        n = 2 * self.layers
        return s[:, :n], s[:, n : 2 * n], s[:, 2 * n :]


class _Readers:
    """Readers sorted by cell, and the gradients of what they read by."""

    def __init__(self, corner: Tensor, share: Tensor, layer: Tensor, channel: Tensor, grad: bool) -> None:
        self.order = torch.argsort(corner, stable=True)
        self.corner = corner[self.order]
        self.share, self.layer, self.channel = (t[self.order] for t in (share, layer, channel))
        if grad:
            self.grads = tuple(torch.empty_like(t) for t in (self.share, self.layer, self.channel))

    def chunks(self, size: int) -> Iterator[tuple[int, slice]]:
        """(corner, rows): readers of one cell, at most ``size``."""
        corners, counts = torch.unique_consecutive(self.corner, return_counts=True)
        start = 0
        for corner, count in zip(corners.tolist(), counts.tolist(), strict=True):
            end = start + count
            for first in range(start, end, size):
                yield corner, slice(first, min(first + size, end))
            start = end

    def mixture(self, rows: slice) -> Tensor:
        """S [m, 5 L]."""
        return (self.share[rows, :, None] * self.layer[rows, None, :]).flatten(1)

    def back(self, rows: slice, s_grad: Tensor, channel_grad: Tensor) -> None:
        """Keep the gradients of these readers; s_grad: [m, 5 L]."""
        s_grad = s_grad.view(len(s_grad), 5, -1)
        share, layer, channel = self.grads
        torch.bmm(s_grad, self.layer[rows, :, None], out=share[rows, :, None])
        torch.bmm(self.share[rows, None, :], s_grad, out=layer[rows, None, :])
        channel[rows] = channel_grad

    def in_order(self, *sorted_rows: Tensor) -> tuple[Tensor, ...]:
        """Back in the order that the readers came in."""
        result = tuple(torch.empty_like(t) for t in sorted_rows)
        for into, rows in zip(result, sorted_rows, strict=True):
            into[self.order] = rows
        return result


def _responses(v: Tensor, channel: Tensor) -> Tensor:
    """[m, B, D], [m, D] -> [m, B]."""
    return torch.bmm(v, channel[:, :, None])[:, :, 0]


def _back(tables: _Tables, readers: _Readers, corner: int, rows: slice, s: Tensor, v: Tensor, grad: Tensor) -> None:
    """One chunk backwards. s: [m, 5 L]; v: [m, B, D], used up; grad: of the responses, [m, B]."""
    channel_grad = torch.bmm(grad[:, None, :], v)[:, 0]
    torch.mul(grad[:, :, None], readers.channel[rows, None, :], out=v)
    readers.back(rows, tables.back(corner, s, v.flatten(1)), channel_grad)


def _chunk_size(tables: _Tables) -> int:
    return max(16, _CHUNK // (tables.images * tables.dim))


class _Loss(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, local: Tensor, glob: Tensor, share: Tensor, layer: Tensor, channel: Tensor, constant: Tensor,
        corner: Tensor, row: int, observed: Tensor,
    ) -> Tensor:  # fmt: skip
        tables, readers = _Tables(local, glob, row), _Readers(corner, share, layer, channel, grad=True)
        constant, observed = constant[readers.order], observed[readers.order]
        constant_grad, total = torch.empty_like(constant), observed.new_zeros((), dtype=torch.float64)
        for place, rows in readers.chunks(_chunk_size(tables)):
            s = readers.mixture(rows)
            v = tables.read(place, s).view(-1, tables.images, tables.dim)
            error = _responses(v, readers.channel[rows]) + constant[rows, None] - observed[rows]
            slope = (error / BETA).clamp(-1, 1)
            total += (slope * (error - slope * (BETA / 2))).sum()
            slope /= observed.numel()
            constant_grad[rows] = slope.sum(dim=1)
            _back(tables, readers, place, rows, s, v, slope)
        ctx.save_for_backward(
            tables.local_grad.view_as(local), tables.glob_grad.view_as(glob),
            *readers.in_order(*readers.grads, constant_grad),
        )  # fmt: skip
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
        tables, readers = _Tables(local, glob, row), _Readers(corner, share, layer, channel, grad=False)
        y = local.new_empty(len(corner), tables.images)
        for place, rows in readers.chunks(_chunk_size(tables)):
            v = tables.read(place, readers.mixture(rows)).view(-1, tables.images, tables.dim)
            y[rows] = _responses(v, readers.channel[rows])
        ctx.row = row
        ctx.save_for_backward(local, glob, share, layer, channel, corner)
        return readers.in_order(y)[0]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        local, glob, share, layer, channel, corner = ctx.saved_tensors
        tables, readers = _Tables(local, glob, ctx.row), _Readers(corner, share, layer, channel, grad=True)
        grad = grad[readers.order]
        for place, rows in readers.chunks(_chunk_size(tables)):
            s = readers.mixture(rows)
            v = tables.read(place, s).view(-1, tables.images, tables.dim)
            _back(tables, readers, place, rows, s, v, grad[rows])
        return (
            tables.local_grad.view_as(local),
            tables.glob_grad.view_as(glob),
            *readers.in_order(*readers.grads),
            None,
            None,
        )
