"""The units of an ROI: which they are, the images that activate them most, and where in these images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch.nn.functional import interpolate

from brainbench import UsageError
from brainbench_sae.fits import Fit
from brainbench_sae.tokens import tokens_of

SIDE = 112  # pixels of an image in a picture


@dataclass(frozen=True)
class Unit:
    """A unit that voxels of an ROI read.

    layer, number: its place; voxels: how many of the ROI's voxels read it; train: their mean similarity on the images of the
    choice; test: that on test images, None if it was not scored; images: n names, of the largest series first; maps: [n, H, W],
    its codes there.
    """

    layer: str
    number: int
    voxels: int
    train: float
    test: float | None
    rows: np.ndarray
    images: tuple[str, ...]
    maps: np.ndarray

    def __str__(self) -> str:
        """``block.3 / 17: 12 voxels, similarity 0.31 (test 0.28)``."""
        test = "" if self.test is None else f" (test {self.test:.2f})"
        voxels = f"{self.voxels} voxel{'s' if self.voxels > 1 else ''}"
        return f"{self.layer} / {self.number}: {voxels}, similarity {self.train:.2f}{test}"


def units_of(fit: Fit, roi: str, count: int, images: int) -> list[Unit]:
    """Return the units that most voxels of an ROI read, with their ``images`` top images among all the subject saw.

    Of units that are read by equally many voxels, the more similar one is first. Raises UsageError if there is no such ROI.
    """
    if count < 1 or images < 1:
        raise UsageError(f"--count {count}, --images {images}: at least 1 each")
    inside, found = fit.region(roi), fit.fitted.dictionary
    pairs, which, voxels = np.unique(
        np.stack([found.layer[inside], found.unit[inside]]), axis=1, return_inverse=True, return_counts=True
    )
    which = which.ravel()
    train = np.bincount(which, found.similarity[inside]) / voxels
    test = None if fit.test is None else np.bincount(which, np.nan_to_num(fit.test[inside])) / voxels
    first = np.lexsort([-train, -voxels])[:count]
    layers, numbers = pairs
    made = {}
    for layer in np.unique(layers[first]).tolist():
        series = fit.fitted.series(fit.features, layer, np.arange(len(fit.features)))
        for unit in first[layers[first] == layer].tolist():
            column = int(np.searchsorted(fit.fitted.readers[layer].units, numbers[unit]))
            rows = np.argsort(-series[:, column], kind="stable")[:images]
            made[unit] = Unit(
                layer=fit.features.layers[layer],
                number=int(numbers[unit]),
                voxels=int(voxels[unit]),
                train=float(train[unit]),
                test=None if test is None else float(test[unit]),
                rows=rows,
                images=tuple(fit.stimuli.ids[row] for row in rows),
                maps=_codes(fit, layer, column, rows),
            )
    return [made[unit] for unit in first.tolist()]


def _codes(fit: Fit, layer: int, column: int, rows: np.ndarray) -> np.ndarray:
    """Codes of one unit at the places of images, [n, H, W]."""
    reader, (height, width) = fit.fitted.readers[layer], fit.features.grids[layer]
    tokens = tokens_of(fit.features, layer, rows).float()
    with torch.no_grad():
        codes = reader.model.codes(tokens.flatten(0, 1))[:, int(reader.columns[column])]
    return codes.reshape(len(rows), height, width).numpy()


def overlays(fit: Fit, unit: Unit) -> np.ndarray:
    """Return the unit's images, bright where it is active, uint8 [n, SIDE, SIDE, 3]. Its largest code is full brightness."""
    maps = interpolate(torch.from_numpy(unit.maps)[:, None], (SIDE, SIDE), mode="bilinear", align_corners=False)[
        :, 0
    ].numpy()
    shade = 0.15 + 0.85 * np.clip(maps / max(float(maps.max()), 1e-9), 0, 1)
    pictures = np.stack(
        [np.asarray(fit.stimuli.open(int(row)).convert("RGB").resize((SIDE, SIDE)), np.float64) for row in unit.rows]
    )
    return np.asarray((pictures * shade[..., None]).round().astype(np.uint8))
