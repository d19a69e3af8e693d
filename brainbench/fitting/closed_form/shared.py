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
        whole, judged = _Fit(x, c), []
        for number in range(folds.judged):
            held, rest = (rows.nonzero()[:, 0].to(x.device) for rows in (folds.fold == number, folds.fold != number))
            fit = _Fit(x[rest], c[rest])
            judged.append((fit, rest, held, fit.turned(x[held])))
        found = []
        for some in torch.split(torch.arange(responses.shape[1]), _VOXELS):
            y = responses[:, some].to(x.device, dtype)
            loss = y.new_zeros(len(some), len(alphas))
            for fit, rest, held, turned in judged:
                mean_response, crossed = fit.crossed(y[rest])
                missing = y[held] - mean_response
                for number, alpha in enumerate(alphas):
                    loss[:, number] += c[held] @ (missing - turned @ fit.shrunk(crossed, alpha)).square()
            chosen = best(loss)
            mean_response, crossed = whole.crossed(y)
            weights = whole.turned_back(whole.shrunk(crossed, alphas[chosen]))
            constant = mean_response - whole.mean @ weights
            weights = weights.t() if basis is None else weights.t() @ basis.t()
            found.append((weights, constant - weights @ mean, chosen, loss))
    return Ridge(*(torch.cat(list(column)) for column in zip(*found, strict=True)))


class _Fit:
    """The decomposition of some images, for any responses of them and any penalties. x: [r, p]; c: [r].

    mean: [p], weighted.
    """

    def __init__(self, x: Tensor, c: Tensor) -> None:
        self._weights = c / c.sum()
        self.mean = self._weights @ x
        self._weighted = (x - self.mean) * c[:, None]
        values, self._vectors = torch.linalg.eigh(self._weighted.t() @ (x - self.mean))
        self._values = values.clamp_min(0)[:, None]

    def turned(self, x: Tensor) -> Tensor:
        """(X - mean) U, of any images: [h, p] -> [h, p]."""
        turned: Tensor = (x - self.mean) @ self._vectors
        return turned

    def crossed(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """(mean response [V], U^T X^T C Y [p, V]); y: [r, V]."""
        response = self._weights @ y
        return response, self._vectors.t() @ (self._weighted.t() @ (y - response))

    def shrunk(self, crossed: Tensor, alpha: Tensor) -> Tensor:
        """Weights of turned channels, [p, V]; alpha: one, or [V]."""
        shrunk: Tensor = crossed / (self._values + alpha)
        return shrunk

    def turned_back(self, weights: Tensor) -> Tensor:
        """Weights of turned channels -> of the channels, [p, V]."""
        back: Tensor = self._vectors @ weights
        return back


def _basis(x: Tensor) -> Tensor:
    """Orthonormal columns [p, n] whose span holds the rows of x, [n, p]."""
    basis: Tensor = torch.linalg.qr(x.t()).Q
    return basis
