"""Ridge by normal equations, from moments alone: for fewer kept channels than images.

m voxels, p channels, S sets of images of which the first J are held out in turn, A penalties. A penalty alpha is a multiple g
of tau, the mean square of what the voxel reads, over all images.
"""

from __future__ import annotations

from collections.abc import Callable
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
    """What was found for m voxels.

    weights: [m, p]; constant: [m]; penalty: [m], the number of each voxel's; loss: [m, A], squared errors when held out, infinite
    for penalties that were not tried.
    """

    weights: Tensor
    constant: Tensor
    penalty: Tensor
    loss: Tensor


def solve_primal(sums: Sums, judged: int, penalties: Tensor) -> Ridge:
    """Weights of every voxel, with the penalty that predicts the first ``judged`` sets best, each from all the others.

    A penalty at which a matrix is not positive definite in these numbers is not chosen. Penalties are searched for (``search``).
    """
    everything = torch.arange(len(sums.trials), device=sums.trials.device)
    whole = sums.of(everything)
    mean, response = whole.means()
    gram, cross, _ = whole.about(mean, response)
    tau = gram.diagonal(dim1=1, dim2=2).sum(dim=1) / whole.trials
    tau = torch.where(tau > 0, tau, 1.0)
    folds = [_Held(sums, fold, everything) for fold in range(judged)]

    def missed(some: Tensor, numbers: Tensor) -> Tensor:
        alphas = penalties[numbers] * tau[some]
        return torch.stack([fold.missed(some, alphas) for fold in folds]).sum(dim=0)

    loss = search(missed, len(tau), len(penalties), gram) if folds else gram.new_zeros(len(tau), len(penalties))
    chosen = best(loss)
    weights, _ = _weights(gram, cross, penalties[chosen] * tau)
    return Ridge(weights, response - (weights * mean).sum(dim=1), chosen, loss)


class _Held:
    """One fold, held out: what its images and all others add up to, about the means of the others."""

    def __init__(self, sums: Sums, fold: int, everything: Tensor) -> None:
        rest = sums.of(everything[everything != fold])
        centre = rest.means()
        self._fitted, self._fitted_cross, _ = rest.about(*centre)
        self._gram, self._cross, self._squares = sums.of(everything[everything == fold]).about(*centre)

    def missed(self, some: Tensor, alphas: Tensor) -> Tensor:
        """Squared error [k] over the fold of some voxels, each with its penalty. some, alphas: [k]."""
        w, failed = _weights(self._fitted[some], self._fitted_cross[some], alphas)
        error = (
            self._squares[some]
            - 2 * (self._cross[some] * w).sum(dim=1)
            + torch.bmm(self._gram[some], w[:, :, None])[:, :, 0].mul(w).sum(dim=1)
        )
        return torch.where(failed, torch.inf, error)


def search(missed: Callable[[Tensor, Tensor], Tensor], voxels: int, penalties: int, like: Tensor) -> Tensor:
    """Losses [m, A] in which every voxel's least one is known, and infinity where it was not looked for.

    missed: (voxels [k], the number of a penalty for each [k]) -> losses [k]. Every third penalty is tried for all voxels, then the
    neighbours of the best one until none is better. A loss that falls and then rises has no other minimum.
    """
    every = torch.arange(voxels, device=like.device)
    loss = like.new_full((voxels, penalties), torch.inf)
    looked = torch.zeros(voxels, penalties, dtype=torch.bool, device=like.device)

    def look(some: Tensor, numbers: Tensor) -> None:
        loss[some, numbers] = missed(some, numbers)
        looked[some, numbers] = True

    for number in range(1, penalties, 3) if penalties > 1 else [0]:
        look(every, torch.full_like(every, number))
    unsettled = True
    while unsettled:
        unsettled = False
        for step in (-1, 1):
            beside = (best(loss) + step).clamp(0, penalties - 1)
            some = (~looked[every, beside]).nonzero()[:, 0]
            if len(some):
                look(some, beside[some])
                unsettled = True
    return loss


def _weights(gram: Tensor, cross: Tensor, alpha: Tensor) -> tuple[Tensor, Tensor]:
    """((gram + alpha)^-1 cross [m, p], where that failed [m]); ``gram`` is used up."""
    gram.diagonal(dim1=1, dim2=2).add_(alpha[:, None])
    factor, info = torch.linalg.cholesky_ex(gram)
    return torch.cholesky_solve(cross[:, :, None], factor)[:, :, 0], info > 0
