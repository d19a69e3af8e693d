"""Ridge for voxels that all read the same: one decomposition serves every voxel and every penalty.

n images with c_i trials each, p channels, V voxels, A penalties, multiples of tau, the mean square of what is read, over all
images. About the weighted means of the images that are fitted, with X and Y the distances from them, and one eigendecomposition
X^T C X = U diag(e) U^T, the weights for a penalty alpha are

    U diag(1 / (e + alpha)) U^T X^T C Y

With more channels than images, what is read is first turned to as many channels as there are images, which changes no inner
product and so no prediction.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from brainbench.fitting.closed_form.penalties import PENALTIES, Folds, best
from brainbench.fitting.closed_form.primal import Ridge
from brainbench.fitting.closed_form.threads import one_thread

# Voxels solved at once, and operations of all decompositions up to which float64 is affordable: about a minute.
_VOXELS, _DOUBLE = 2048, 1e12


def solve_shared(
    read: Tensor, responses: Tensor, trials: Tensor, folds: Folds, penalties: Sequence[float] = PENALTIES
) -> Ridge:
    """Weights [V, p] of every voxel, with the penalty that predicts the judged folds best, each from all other images.

    read: [n, p], what all voxels read of each image, on the device that is to compute; responses: [n, V], the mean over an
    image's trials; trials: [n]; folds: of images. The same bytes with any number of threads.
    """
    images, channels = read.shape
    dtype = torch.float64 if 10 * (folds.judged + 1) * min(images, channels) ** 3 <= _DOUBLE else torch.float32
    with one_thread():
        x, c = read.to(dtype), trials.to(read.device, dtype)
        mean = (c @ x) / c.sum()
        x = x - mean
        tau = (c @ x.square().sum(dim=1)) / c.sum()
        alphas = torch.tensor(penalties, dtype=dtype, device=x.device) * (tau if tau > 0 else 1.0)
        basis = _basis(x) if channels > images else None
        if basis is not None:
            x = x @ basis
        whole = _Fit(x, c)
        held = [(folds.fold == number).nonzero()[:, 0].to(x.device) for number in range(folds.judged)]
        rest = [(folds.fold != number).nonzero()[:, 0].to(x.device) for number in range(folds.judged)]
        fits = [_Fit(x[rows], c[rows]) for rows in rest]
        found = []
        for some in torch.split(torch.arange(responses.shape[1]), _VOXELS):
            y = responses[:, some].to(x.device, dtype)
            loss = y.new_zeros(len(some), len(alphas))
            for fit, rows, out in zip(fits, rest, held, strict=True):
                for number, alpha in enumerate(alphas):
                    weights, constant = fit.solved(y[rows], alpha)
                    loss[:, number] += c[out] @ (y[out] - x[out] @ weights - constant).square()
            chosen = best(loss)
            weights, constant = whole.solved(y, alphas[chosen])
            weights = weights.t() if basis is None else weights.t() @ basis.t()
            found.append((weights, constant - weights @ mean, chosen, loss))
    return Ridge(*(torch.cat(list(column)) for column in zip(*found, strict=True)))


class _Fit:
    """The decomposition of some images, for any responses of them and any penalties. x: [r, p]; c: [r]."""

    def __init__(self, x: Tensor, c: Tensor) -> None:
        self._weights = c / c.sum()
        self._mean = self._weights @ x
        self._weighted = (x - self._mean) * c[:, None]
        values, self._vectors = torch.linalg.eigh(self._weighted.t() @ (x - self._mean))
        self._values = values.clamp_min(0)[:, None]

    def solved(self, y: Tensor, alpha: Tensor) -> tuple[Tensor, Tensor]:
        """(weights [p, V], constant [V]); y: [r, V]; alpha: one, or [V]."""
        response = self._weights @ y
        turned = self._vectors.t() @ (self._weighted.t() @ (y - response))
        weights = self._vectors @ (turned / (self._values + alpha))
        return weights, response - self._mean @ weights


def _basis(x: Tensor) -> Tensor:
    """Orthonormal columns [p, n] whose span holds the rows of x, [n, p]."""
    basis: Tensor = torch.linalg.qr(x.t()).Q
    return basis
