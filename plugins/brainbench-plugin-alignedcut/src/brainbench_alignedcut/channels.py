"""The channels of an ROI on an image: their three first principal components as red, green and blue.

The method is that of the FactorTopy paper, section 4.5, Figures 9 and 28 to 33; the procedure is Listing 2 of its appendix
E.2.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch.nn.functional import interpolate

from brainbench import DataError, Features

COMPONENTS = 3
_LOWEST, _HIGHEST = 1, 99  # percentiles that become black and full colour


def principal_channels(weights: np.ndarray) -> np.ndarray:
    """Project the weights of the N voxels of an ROI, [N, D] -> [D, 3]: the D channels on the first principal components.

    The largest entry of a component is positive, because its sign is arbitrary. Raises DataError with fewer than three
    voxels or channels, or weights that are not finite.
    """
    if min(weights.shape) < COMPONENTS or not np.isfinite(weights).all():
        raise DataError(
            f"channel weights of {weights.shape[0]} voxels and {weights.shape[1]} channels, some perhaps infinite: three of each "
            "are needed for three colours, all finite"
        )
    samples = np.asarray(weights, np.float64).T
    u, s, _ = np.linalg.svd(samples - samples.mean(axis=0), full_matrices=False)
    scores = u[:, :COMPONENTS] * s[:COMPONENTS]
    signs = np.sign(scores[np.abs(scores).argmax(axis=0), range(COMPONENTS)])
    return np.asarray(scores * np.where(signs == 0, 1, signs))


def roi_tokens(aligned: Features, rows: np.ndarray, layers: np.ndarray) -> np.ndarray:
    """Aligned local tokens summed over layers with the weights ``layers`` [L]: [n, D, H, W] float32.

    Layers of another grid than the finest are brought to it, bilinear, corners not aligned.
    """
    grid = finest(aligned)
    total = np.zeros((len(rows), aligned.channels[0], *grid), np.float32)
    for layer, weight in enumerate(layers):
        tokens = torch.from_numpy(np.asarray(aligned.local_tokens(layer, rows), np.float32))
        if aligned.grids[layer] != grid:
            tokens = interpolate(tokens, size=grid, mode="bilinear", align_corners=False)
        total += np.float32(weight) * tokens.numpy()
    return total


def channel_maps(
    aligned: Features, rows: np.ndarray, channel: np.ndarray, layer: np.ndarray | None, rois: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """ROI -> its three first channels on every image, float32 [n, H, W, 3]; a ROI of fewer than three voxels is left out.

    aligned: L layers of D channels; rows: n stimuli; channel: [V, D]; layer: [V, L] layer selector, None where every voxel
    reads the mean over layers; rois: name -> bool [V].
    """
    made = {}
    for name, mask in rois.items():
        if mask.sum() < COMPONENTS:
            continue
        share = np.full(len(aligned.layers), 1 / len(aligned.layers)) if layer is None else layer[mask].mean(axis=0)
        made[name] = np.einsum(
            "ndhw,dc->nhwc", roi_tokens(aligned, rows, share), principal_channels(channel[mask]).astype(np.float32)
        )
    return made


def to_rgb(maps: np.ndarray) -> np.ndarray:
    """[n, H, W, 3] -> uint8: each component from its 1st percentile, over all the images given, to its 99th.

    So the same colour means the same on all of them; a component that is the same everywhere is black.
    """
    low, high = np.percentile(maps, (_LOWEST, _HIGHEST), axis=(0, 1, 2))
    shares = (maps - low) / np.where(high > low, high - low, 1)
    return np.asarray(np.clip(np.round(shares * 255), 0, 255).astype(np.uint8))


def finest(features: Features) -> tuple[int, int]:
    """The (H, W) of the layer with most places."""
    return max(features.grids, key=lambda grid: grid[0] * grid[1])
