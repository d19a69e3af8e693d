"""Penalties: the values that are tried, and the folds of images that choose among them for every voxel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

# As multiples of the mean square of what a voxel reads, per image: from hardly any penalty to nothing but penalty.
PENALTIES = tuple(float(10**exponent) for exponent in np.linspace(-2, 5, 15))
FOLDS = 5
# Images that are held out are enough, of however many.
JUDGED = 500


@dataclass(frozen=True)
class Folds:
    """Which images are held out together.

    fold: [n] int64, of every image the number of its fold; judged: how many folds, the first ones, are held out in turn.
    """

    fold: Tensor
    judged: int

    def __post_init__(self) -> None:
        if not 0 <= self.judged <= int(self.fold.max()) + 1:
            raise ValueError(f"{self.judged} folds are to be judged, there are {int(self.fold.max()) + 1}")


def image_folds(images: int, seed: int, folds: int = FOLDS, judged: int = JUDGED) -> Folds:
    """Draw ``folds`` folds of about the same size; as many are held out in turn as have ``judged`` images together.

    All trials of an image are one row, so that no image is on both sides. With fewer images than folds every image is a fold of
    its own. With fewer than three there are no folds: nothing could be fitted and judged.
    """
    if images < 3:
        return Folds(torch.zeros(images, dtype=torch.int64), 0)
    parts = np.array_split(np.random.default_rng(seed).permutation(images), min(folds, images))
    fold = np.empty(images, dtype=np.int64)
    for number, part in enumerate(parts):
        fold[part] = number
    enough = int(np.searchsorted(np.cumsum([len(part) for part in parts]), judged)) + 1
    return Folds(torch.from_numpy(fold), min(len(parts), enough))


def best(loss: Tensor) -> Tensor:
    """The number of the best penalty, [m]; loss: [m, penalties]. Of equal ones the largest penalty, which is the last."""
    return loss.shape[1] - 1 - loss.flip(1).argmin(dim=1)
