"""Pictures -> the input of a network."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)


def square(
    image: Image.Image, size: int, mean: Sequence[float] = IMAGENET_MEAN, std: Sequence[float] = IMAGENET_STD
) -> Tensor:
    """Squash a picture to ``size`` x ``size`` (bilinear, antialiased), then (value / 255 - mean) / std per channel.

    Nothing is cropped, so the periphery of the visual field is kept. Any PIL mode is read as RGB.
    Returns float32 [3, size, size].
    """
    squashed = image.convert("RGB").resize((size, size), Image.Resampling.BILINEAR)
    # numpy, not torch: several threads prepare images, and torch would give each of them a team that takes cores from the network
    values = np.asarray(squashed, dtype=np.float32) / np.float32(255)
    scaled = (values - np.asarray(mean, dtype=np.float32)) / np.asarray(std, dtype=np.float32)
    return torch.from_numpy(scaled.transpose(2, 0, 1).copy())
