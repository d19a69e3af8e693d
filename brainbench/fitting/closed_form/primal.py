"""Ridge by normal equations, from moments alone: for fewer kept channels than images.

m voxels, p channels, S sets of images of which the first J are held out in turn, A penalties. A penalty alpha is a multiple g
of tau, the mean square of what the voxel reads, over all images.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from brainbench.fitting.closed_form.penalties import best


class Sums(NamedTuple):
    """Sums over the trials of sets of images, or over several sets.

    gram: [..., m, p, p]; reads: sums of what is read, [..., m, p]; cross: [..., m, p]; total: of responses, [..., m]; squares: of
    squared responses, [..., m]; trials: [...].
    """

    gram: Tensor
    reads: Tensor
    cross: Tensor
    total: Tensor
    squares: Tensor
    trials: Tensor

    def of(self, sets: Tensor) -> Sums:
        """Summed over some of the sets, by their numbers."""
        return Sums(*(part[sets].sum(dim=0) for part in self))

    def about(self, read: Tensor, response: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(gram, cross, squares) of distances from ``read`` [m, p] and ``response`` [m]."""
        outer = self.reads[:, :, None] * read[:, None, :]
        gram = self.gram - outer - outer.transpose(1, 2) + self.trials * read[:, :, None] * read[:, None, :]
        cross = (
            self.cross
            - self.reads * response[:, None]
            - self.total[:, None] * read
            + self.trials * (read * response[:, None])
        )
        return gram, cross, self.squares - 2 * self.total * response + self.trials * response.square()

    def means(self) -> tuple[Tensor, Tensor]:
        """(what is read [m, p], responses [m]) on average."""
        return self.reads / self.trials, self.total / self.trials


class Ridge(NamedTuple):
    """weights: [m, p]; constant: [m]; penalty: [m], the number of each voxel's; loss: [m, A], squared errors when held out."""

    weights: Tensor
    constant: Tensor
    penalty: Tensor
    loss: Tensor


def solve_primal(sums: Sums, judged: int, penalties: Tensor) -> Ridge:
    """Weights of every voxel, with the penalty that predicts the first ``judged`` sets best, each from all the others.

    A penalty at which a matrix is not positive definite in these numbers is not chosen.
    """
    everything = torch.arange(len(sums.trials), device=sums.trials.device)
    whole = sums.of(everything)
    mean, response = whole.means()
    gram, cross, _ = whole.about(mean, response)
    tau = gram.diagonal(dim1=1, dim2=2).sum(dim=1) / whole.trials
    tau = torch.where(tau > 0, tau, 1.0)
    loss = gram.new_zeros(len(tau), len(penalties))
    for fold in range(judged):
        rest = sums.of(everything[everything != fold])
        centre = rest.means()
        fitted, fitted_cross, _ = rest.about(*centre)
        held, held_cross, squares = sums.of(everything[everything == fold]).about(*centre)
        for number, g in enumerate(penalties):
            w, failed = _weights(fitted, fitted_cross, g * tau)
            error = (
                squares - 2 * (held_cross * w).sum(dim=1) + torch.bmm(held, w[:, :, None])[:, :, 0].mul(w).sum(dim=1)
            )
            loss[:, number] += torch.where(failed, torch.inf, error)
    chosen = best(loss)
    weights, _ = _weights(gram, cross, penalties[chosen] * tau)
    return Ridge(weights, response - (weights * mean).sum(dim=1), chosen, loss)


def _weights(gram: Tensor, cross: Tensor, alpha: Tensor) -> tuple[Tensor, Tensor]:
    """((gram + alpha)^-1 cross [m, p], where that failed [m])."""
    matrix = gram.clone()
    matrix.diagonal(dim1=1, dim2=2).add_(alpha[:, None])
    factor, info = torch.linalg.cholesky_ex(matrix)
    return torch.cholesky_solve(cross[:, :, None], factor)[:, :, 0], info > 0
