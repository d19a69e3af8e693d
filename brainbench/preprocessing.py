"""From a picture to the input of a network."""

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

    Nothing is cropped: what lies in the periphery of the visual field stays there. Any PIL mode is read as RGB.
    Returns float32 [3, size, size].
    """
    squashed = image.convert("RGB").resize((size, size), Image.Resampling.BILINEAR)
    values = torch.from_numpy(np.array(squashed, dtype=np.float32)).permute(2, 0, 1) / 255
    return (values - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1)
