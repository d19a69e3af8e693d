"""The loss of every encoder that is fitted by gradient descent (appendix E.3)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

BETA = 0.1


def smooth_l1(predicted: Tensor, observed: Tensor) -> Tensor:
    """Smooth L1 with beta 0.1, the mean over images and voxels: [B, V] twice -> a scalar."""
    return F.smooth_l1_loss(predicted, observed, beta=BETA)
