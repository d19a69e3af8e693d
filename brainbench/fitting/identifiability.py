"""How alike the layers of a fit are, as its channel align leaves them: what is alike, no layer selector can tell apart."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from torch import Tensor

# Of a token's mean variance. The smallest keeps the regression of one layer on another solvable when channels are copies.
_PENALTIES = (1e-6, 1e-4, 1e-2, 1.0)
# A share of the variance is told to within this,
_CLOSE = 0.02
# or else from no fewer than three independent samples for every two channels: the errors within and beyond the images that a
# regression was fitted on then differ by no more than this factor.
_APART = 9.0


def layer_likeness(tokens: Iterable[Tensor], aligned: Tensor, channel: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """(correlation, likeness), both [L, L], of the layers' aligned features.

    tokens: per layer [n, P, C_l], some images, read one layer after another; aligned: the same after channel align, [L, n, P, D];
    channel: [V, D], by which voxels read them: directions that no voxel reads do not count.

    correlation: over images, places and directions read. likeness[l, m]: share of the variance of layer l's aligned
    features that a linear map of layer m's *tokens* gives, as another channel align could; 0 .. 1. The map is found on one half
    of the images, and the other way round, with the penalty that predicts the other half best. Its error within the half is
    too small and beyond it too large, each by about the same factor, so that the error of the best map is taken to be their
    geometric mean. NaN where there are too few images to tell. What all images have in common at a place is taken out first:
    it predicts no response.
    """
    # In float64, which is slow on a GPU.
    aligned, channel = aligned.cpu().double(), channel.cpu().double()
    features = [_centred(layer) for layer in aligned @ _square_root(channel)]
    return _correlations(features), _likeness(tokens, features)


def images_needed(channels: int) -> int:
    """How many images tell how alike layers of so many channels are, where neighbouring places are much alike."""
    return max(128, channels // 2)


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


def _likeness(tokens: Iterable[Tensor], features: Sequence[Tensor]) -> np.ndarray:
    layers, half = len(features), len(features[0]) // 2
    result = np.ones((layers, layers), dtype=np.float32)
    targets = torch.cat(list(features), dim=2)
    total = torch.stack([f.square().sum() for f in features]).clamp_min(1e-300)
    for m, layer in enumerate(tokens):
        given = _centred(layer.cpu().double())
        within, beyond = torch.zeros(2, layers, dtype=torch.float64)
        for fit, test in ((slice(0, half), slice(half, None)), (slice(half, None), slice(0, half))):
            inside, outside = _errors(given[fit], targets[fit], given[test], targets[test], layers)
            within += inside / total
            beyond += outside / total
        beyond = beyond.clamp(0, 1)
        told = (beyond - within <= _CLOSE) | (beyond <= _APART * within)
        likeness = 1 - (within.clamp(0, 1) * beyond).sqrt()
        result[:, m] = torch.where(told, likeness, torch.nan).numpy()
    np.fill_diagonal(result, 1)
    return result


def _errors(x: Tensor, y: Tensor, other_x: Tensor, other_y: Tensor, layers: int) -> tuple[Tensor, Tensor]:
    """Squared errors [L] of the regressions of y on x, on the same images and on the others, by the penalty best for the others."""
    flat_x, flat_y = x.flatten(0, 1), y.flatten(0, 1)
    gram, moment = flat_x.t() @ flat_x, flat_x.t() @ flat_y
    unit = gram.diagonal().mean().clamp_min(1e-300)
    pairs = []
    for penalty in _PENALTIES:
        weights = torch.linalg.solve(gram + penalty * unit * torch.eye(len(gram), dtype=gram.dtype), moment)
        errors = ((b - a @ weights).square().sum(dim=(0, 1)) for a, b in ((x, y), (other_x, other_y)))
        pairs.append(torch.stack([error.view(layers, -1).sum(dim=1) for error in errors]))
    found = torch.stack(pairs)  # [penalties, 2, L]
    best = found[:, 1].argmin(dim=0)
    inside, outside = found[best, :, torch.arange(layers)].t()
    return inside, outside
