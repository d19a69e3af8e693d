"""How the val split chooses between two ways to read: in a sample of the voxels, and the dearer way only for a gain that counts."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from brainbench.fitting.closed_form.penalties import Folds

# By how much less the dearer way has to miss the val split: less is within what other images or voxels would change.
GAIN = 0.005


def worth_it(dear: float, plain: float) -> bool:
    """Whether the dearer way misses val by enough less than the plain one does."""
    return dear < (1 - GAIN) * plain


def some_voxels(voxels: int, most: int) -> Tensor:
    """The numbers of at most ``most`` voxels, spread evenly over all."""
    return torch.arange(0, voxels, max(1, -(-voxels // most)))


def fitted_on_train(images: np.ndarray, train: np.ndarray) -> Folds:
    """Folds that fit the train images and judge the others once; nothing is judged if there are no others.

    images: [n], the rows of all images of train and val; train: those of train. An image of both splits, which no dataset
    should have, is one of train.
    """
    fitted = np.isin(images, train)
    return Folds(torch.from_numpy(fitted.astype(np.int64)), int(fitted.any() and not fitted.all()))
