"""Ridge by inner products of images: for more kept channels than images.

n images with c_i trials each, p channels, A penalties, multiples of tau, the mean square of what the voxel reads, over all
images. Rows are multiplied by sqrt(c_i), which makes least squares over images that over trials. With one eigendecomposition of
the inner products, K = U diag(e) U^T, the responses fitted with a penalty alpha are H y,

    H = U diag(e / (e + alpha)) U^T + q q^T

where q is the constant's column, of length 1. What a fit to all images but those of fold F misses of F follows without another
fit:

    y_F - prediction_F = (I - H_FF)^-1 (y - H y)_F
"""

from __future__ import annotations

import torch
from torch import Tensor

from brainbench.fitting.closed_form.penalties import Folds, best
from brainbench.fitting.closed_form.primal import Ridge


def solve_dual(read: Tensor, responses: Tensor, trials: Tensor, folds: Folds, penalties: Tensor) -> Ridge:
    """Weights of one voxel, as ``solve_primal`` gives them, m = 1.

    read: [n, p], what the voxel reads of each image; responses: [n], the mean over an image's trials; trials: [n].
    """
    root = trials.sqrt()
    total = trials.sum()
    mean, response = (trials @ read) / total, (trials @ responses) / total
    x, y = root[:, None] * (read - mean), root * (responses - response)
    kernel = x @ x.t()
    tau = kernel.diagonal().sum() / total
    alphas = penalties * torch.where(tau > 0, tau, 1.0)
    values, vectors = torch.linalg.eigh(kernel)
    values = values.clamp_min(0)
    kept = values[:, None] / (values[:, None] + alphas)
    turned = vectors.t() @ y
    residual = y[:, None] - vectors @ (kept * turned[:, None])
    constant = root / total.sqrt()
    loss = alphas.new_zeros(len(alphas))
    for number in range(folds.judged):
        held = (folds.fold == number).nonzero()[:, 0].to(read.device)
        u, q = vectors[held], constant[held]
        own = torch.eye(len(held), dtype=u.dtype, device=u.device) - q[:, None] * q[None, :]
        left = own - (u[None] * kept.t()[:, None, :]) @ u.t()
        missed = torch.linalg.solve(left, residual[held].t()[:, :, None])[:, :, 0]
        loss += missed.square().sum(dim=1)
    loss = torch.where(loss.isfinite(), loss, torch.inf)[None]
    chosen = best(loss)
    weights = x.t() @ (vectors @ (turned / (values + alphas[chosen])))
    return Ridge(weights[None], (response - mean @ weights)[None], chosen, loss)
