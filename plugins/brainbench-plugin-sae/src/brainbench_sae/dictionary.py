"""The dictionary of voxels: every voxel's most similar unit over all layers, and every unit's most similar voxel.

Shapes: n images, M units of a layer, V voxels, L layers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from brainbench import DataError, Features
from brainbench_sae.assignment import one_to_one
from brainbench_sae.autoencoder import Autoencoder
from brainbench_sae.responses import ByImage
from brainbench_sae.series import Pool, Quality, series
from brainbench_sae.similarity import BestUnits, blocks, standardised

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Dictionary:
    """Which unit each voxel was given, and how that came.

    layer, unit: [V], the unit's layer and its number there; similarity: [V], its correlation with the voxel over the images it
    was chosen on; intercept, slope: [V], the regression of the responses on its series; highest, mean: [V, L], the largest and
    the mean correlation with a layer's units; nearest: per layer [M], the voxel that a unit is most similar to, -1 for a unit
    that never varies; nearest_similarity: per layer [M]; quality: [L, 3], unexplained variance, L0 and share of dead units;
    images: n.
    """

    layer: NDArray[np.int64]
    unit: NDArray[np.int64]
    similarity: Floats
    intercept: Floats
    slope: Floats
    highest: Floats
    mean: Floats
    nearest: tuple[NDArray[np.int32], ...]
    nearest_similarity: tuple[Floats, ...]
    quality: Floats
    images: int


@dataclass(frozen=True)
class _Layer:
    """What one layer says of all voxels. mean, norm: [M], of the units' series."""

    highest: Tensor
    average: Tensor
    nearest: Tensor
    nearest_similarity: Tensor
    mean: Tensor
    norm: Tensor
    quality: tuple[float, float, float]


def find_units(
    autoencoders: Callable[[int], Autoencoder],
    features: Features,
    seen: ByImage,
    pool: Pool,
    *,
    candidates: int = 0,
    device: str = "cpu",
) -> tuple[Dictionary, list[Autoencoder]]:
    """Compare all units of all layers with all voxels. Returns (the dictionary, the layers' autoencoders).

    autoencoders: number of a layer -> its autoencoder; candidates: 0, and a unit may be given to any number of voxels; else so
    many of a voxel's best units are candidates for an assignment that gives no unit twice. Raises DataError if no unit varies
    between the images.
    """
    responses, response_mean, response_norm = standardised(seen.values, seen.trials)
    responses = responses.to(device)
    best = BestUnits(responses.shape[1], max(1, candidates), device)
    models, layers, first = list[Autoencoder](), list[_Layer](), [0]
    for number in range(len(features.layers)):
        model = autoencoders(number)
        layers.append(_read(model, features, number, seen, pool, responses, best, first[-1], device))
        models.append(model.cpu())
        first.append(first[-1] + model.units)
    values, units = best.values.cpu().numpy(), best.units.cpu().numpy()
    if not np.isfinite(values[0]).all():
        raise DataError(
            f"all {first[-1]} units of {len(layers)} layers are dead: their codes are the same in all {len(seen.images)} images; "
            "lower sae.l1 or raise sae.steps"
        )
    pick = one_to_one(values, units) if candidates else np.zeros(values.shape[1], np.int64)
    places = (pick, np.arange(values.shape[1]))
    similarity, chosen = values[places], units[places]
    layer = np.searchsorted(first, chosen, side="right") - 1
    unit = chosen - np.asarray(first)[layer]
    mean = torch.cat([one.mean for one in layers])[chosen].numpy()
    norm = torch.cat([one.norm for one in layers])[chosen].numpy()
    slope = similarity * response_norm.numpy() / norm
    return Dictionary(
        layer=layer,
        unit=unit,
        similarity=similarity,
        intercept=(response_mean.numpy() - slope * mean).astype(np.float32),
        slope=slope.astype(np.float32),
        highest=torch.stack([one.highest for one in layers], dim=1).numpy(),
        mean=torch.stack([one.average for one in layers], dim=1).numpy(),
        nearest=tuple(one.nearest.numpy().astype(np.int32) for one in layers),
        nearest_similarity=tuple(one.nearest_similarity.numpy() for one in layers),
        quality=np.array([one.quality for one in layers], np.float32),
        images=len(seen.images),
    ), models


def _read(
    model: Autoencoder,
    features: Features,
    layer: int,
    seen: ByImage,
    pool: Pool,
    responses: Tensor,
    best: BestUnits,
    first: int,
    device: str,
) -> _Layer:
    quality = Quality(model.to(device))
    found = series(model, features, layer, seen.images, pool, device, quality)
    dead = 1 - float((found != 0).any(axis=0).mean())
    standard, mean, norm = standardised(found, seen.trials)
    del found
    standard, varies = standard.to(device), (norm > 0).to(device)
    voxels = responses.shape[1]
    highest = torch.full((voxels,), -torch.inf, device=device)
    total = torch.zeros(voxels, dtype=torch.float64, device=device)
    nearest, similarities = list[Tensor](), list[Tensor]()
    for units, correlations in blocks(standard, responses):
        alive = varies[units]
        total += correlations.sum(dim=0, dtype=torch.float64)  # units that do not vary have 0
        correlations[~alive] = -torch.inf
        best.offer(correlations, first + units.start)
        highest = torch.maximum(highest, correlations.amax(dim=0))
        value, voxel = correlations.max(dim=1)
        nearest.append(torch.where(alive, voxel, -1))
        similarities.append(torch.where(alive, value, 0))
    count = max(1, int(varies.sum()))
    return _Layer(
        highest=highest.clamp_min(-1).cpu(),
        average=(total / count).float().cpu(),
        nearest=torch.cat(nearest).cpu(),
        nearest_similarity=torch.cat(similarities).cpu(),
        mean=mean,
        norm=norm,
        quality=(quality.unexplained, quality.active, dead),
    )
