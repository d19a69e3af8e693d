"""How alike the layers of a fit are, as its channel align leaves them: what is alike, no layer selector can tell apart."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

# Of a token's variance: keeps the regression of one layer on another solvable when channels are copies of one another.
_RIDGE = 1e-6


def layer_likeness(tokens: Sequence[Tensor], aligned: Tensor, channel: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """(correlation, likeness), both [L, L], of the layers' aligned features.

    tokens: per layer [n, P, C_l], some images; aligned: the same after channel align, [L, n, P, D]; channel: [V, D], by
    which voxels read them: directions that no voxel reads do not count.

    correlation: over images, places and directions read. likeness[l, m]: share of the variance of layer l's aligned
    features that a linear map of layer m's *tokens* gives, as another channel align could: found on one half of the images,
    measured on the other, and the other way round; 0 .. 1. What all images have in common at a place is taken out first: it
    predicts no response.
    """
    # In float64, which is slow on a GPU, and the tokens of a few images are little to move.
    tokens, aligned, channel = [t.cpu().double() for t in tokens], aligned.cpu().double(), channel.cpu().double()
    read = aligned @ _square_root(channel)
    features = [_centred(layer) for layer in read]
    return _correlations(features), _likeness([_centred(t) for t in tokens], features)


def _square_root(channel: Tensor) -> Tensor:
    """K [D, D] with K K' the mean outer product of the voxels' weights: the features' variance is then the predictions'."""
    values, vectors = torch.linalg.eigh(channel.t() @ channel / len(channel))
    root: Tensor = vectors * values.clamp_min(0).sqrt()
    return root


def _centred(tokens: Tensor) -> Tensor:
    return tokens - tokens.mean(dim=0)


def _correlations(features: Sequence[Tensor]) -> np.ndarray:
    flat = torch.stack([f.flatten() for f in features])
    flat = flat / flat.norm(dim=1, keepdim=True).clamp_min(1e-300)
    return np.asarray((flat @ flat.t()).numpy(), dtype=np.float32)


def _likeness(tokens: Sequence[Tensor], features: Sequence[Tensor]) -> np.ndarray:
    half = len(tokens[0]) // 2
    result = np.ones((len(tokens), len(tokens)), dtype=np.float32)
    targets = torch.cat(list(features), dim=2)
    for m, given in enumerate(tokens):
        residual = torch.zeros(len(tokens), dtype=torch.float64)
        for fit, test in ((slice(0, half), slice(half, None)), (slice(half, None), slice(0, half))):
            x, y = given[fit].flatten(0, 1), targets[fit].flatten(0, 1)
            gram = x.t() @ x
            gram.diagonal().add_(_RIDGE * gram.diagonal().mean().clamp_min(1e-300))
            weights = torch.linalg.solve(gram, x.t() @ y)
            error = (targets[test] - given[test] @ weights).square().sum(dim=(0, 1))
            residual += error.view(len(tokens), -1).sum(dim=1)
        total = torch.stack([f.square().sum() for f in features]).clamp_min(1e-300)
        result[:, m] = (1 - residual / total).clamp(0, 1).numpy()
    np.fill_diagonal(result, 1)
    return result
