"""himalaya's solvers behind one call each. Its backend is a global: it is set for the call and put back.

n images, V voxels, L layers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from himalaya.backend import get_backend, set_backend
from himalaya.kernel_ridge import solve_multiple_kernel_ridge_random_search
from numpy.typing import NDArray
from sklearn.model_selection import check_cv

Floats = NDArray[np.float32]
Folds = Sequence[tuple[NDArray[np.int64], NDArray[np.int64]]]

# Kernels have a mean diagonal of about 1: from hardly any to nothing but penalty.
ALPHAS = np.logspace(-4, 4, 17)
_VOXELS = 2000  # in one batch
_REFIT = 500
# An n x n matrix is made for every penalty of a batch: 256 MB of float32 together, or one matrix.
_FIGURES = 1 << 26


@contextmanager
def _backend(device: str) -> Iterator[Any]:
    before = get_backend().name
    try:
        yield set_backend("torch_cuda" if device.startswith("cuda") else "numpy")
    finally:
        set_backend(before)


def kernel_ridge(kernel: Floats, y: Floats, folds: Folds, device: str, out: Floats) -> Floats:
    """Write the weights of images [n, V] to ``out``, which may be y; return the cross-validated loss [V].

    kernel: inner products [n, n]; y: [n, V]. himalaya chooses the penalties. With them the weights are found here, from one
    decomposition and a block of voxels at a time: himalaya would hold two more arrays as large as y.
    """
    with _backend(device) as backend:
        _, _, scores, alphas = solve_multiple_kernel_ridge_random_search(
            backend.asarray(kernel)[None], backend.asarray(y), n_iter=backend.asarray(np.ones((1, 1)), dtype="float32"),
            alphas=backend.asarray(ALPHAS, dtype="float32"), cv=check_cv(list(folds)), return_weights=None,
            return_alphas=True, n_targets_batch=_VOXELS, n_alphas_batch=_penalties(kernel), progress_bar=False,
        )  # fmt: skip
        penalties = _numpy(backend, alphas)
        loss: Floats = -_numpy(backend, scores).max(axis=0)
    values, vectors = torch.linalg.eigh(torch.from_numpy(kernel).to(device))
    values = values.clamp_min(0)[:, None]
    for start in range(0, y.shape[1], _VOXELS):
        block = slice(start, start + _VOXELS)
        turned = vectors.T @ torch.from_numpy(np.ascontiguousarray(y[:, block])).to(device)
        turned /= values + torch.from_numpy(penalties[block]).to(device)
        out[:, block] = (vectors @ turned).numpy(force=True)
    return loss


def banded_ridge(kernels: Floats, y: Floats, folds: Folds, draws: int, seed: int, device: str) -> tuple[Floats, Floats]:
    """Weights of images [n, V], and what each layer's kernel is multiplied by, [L, V]; kernels: [L, n, n]."""
    with _backend(device) as backend:
        deltas, weights, _ = solve_multiple_kernel_ridge_random_search(
            backend.asarray(kernels), backend.asarray(y), n_iter=draws,
            alphas=backend.asarray(ALPHAS, dtype="float32"), cv=check_cv(list(folds)), return_weights="dual",
            random_state=seed, n_targets_batch=_VOXELS, n_targets_batch_refit=_REFIT,
            n_alphas_batch=_penalties(kernels[0]), progress_bar=False,
        )  # fmt: skip
        return _numpy(backend, weights), np.exp(_numpy(backend, deltas))


def _penalties(kernel: Floats) -> int:
    return max(1, min(len(ALPHAS), _FIGURES // kernel.size))


def _numpy(backend: Any, array: Any) -> Floats:
    return np.asarray(backend.to_numpy(array), dtype=np.float32)
