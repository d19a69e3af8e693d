"""The projector onto a matrix's leading eigenvectors, with a gradient that the order and the signs of those do not touch."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

# Of eigenvalues on the two sides of the cut: what lies closer is not told apart, and rounding would be most of its gradient.
LEAST_GAP = 1e-4


def projector(matrices: Tensor, count: int) -> Tensor:
    """P = sum of u_i u_i' over the ``count`` largest eigenvalues of each symmetric matrix, [..., m, m] -> [..., m, m].

    Differentiable once: dP = sum over i kept, j left out of (u_i u_j' + u_j u_i') (u_i' dA u_j) / (l_i - l_j), without those
    that are closer than LEAST_GAP. Gaps between two kept eigenvalues do not occur in it, so they may be equal. With
    ``count`` of m or more P is the identity. A matrix that is not finite gives NaN.
    """
    result: Tensor = _Projector.apply(matrices, count)
    return result


class _Projector(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, matrices: Tensor, count: int) -> Tensor:
        values, vectors = _decomposed(matrices)
        ctx.save_for_backward(values, vectors)
        ctx.count = count
        kept = vectors[..., -count:]
        return kept @ kept.mT

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        values, vectors = ctx.saved_tensors
        kept, left = vectors[..., -ctx.count :], vectors[..., : -ctx.count]
        gaps = values[..., -ctx.count :, None] - values[..., None, : -ctx.count]
        share = torch.where(gaps < LEAST_GAP, 0.0, 1 / gaps)
        half = kept @ (kept.mT @ (grad + grad.mT) @ left * share) @ left.mT / 2
        return half + half.mT, None


def _decomposed(matrices: Tensor) -> tuple[Tensor, Tensor]:
    if not bool(matrices.isfinite().all()):
        # LAPACK refuses these; as NaN they reach the engine, which says at which step the fit diverged.
        return matrices[..., 0] * torch.nan, matrices * torch.nan
    values, vectors = torch.linalg.eigh(matrices)
    return values, vectors
