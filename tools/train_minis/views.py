"""Random views of whole batches: crops, flips, colour and blur, as the self-supervised families use them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def crops(images: Tensor, size: int, low: float, high: float) -> Tensor:
    """A random square part of each image [n, 3, H, W], of low..high of its area, flipped or not, at [n, 3, size, size]."""
    n = len(images)
    side = torch.empty(n).uniform_(low, high).sqrt()
    flip = torch.where(torch.rand(n) < 0.5, -1.0, 1.0)
    shift = (1 - side)[:, None] * torch.empty(n, 2).uniform_(-1, 1)
    theta = torch.zeros(n, 2, 3)
    theta[:, 0, 0], theta[:, 1, 1], theta[:, :, 2] = side * flip, side, shift
    grid = F.affine_grid(theta, [n, 3, size, size], align_corners=False)
    return F.grid_sample(images, grid, padding_mode="reflection", align_corners=False)


def colours(images: Tensor, strength: float = 0.4, grey: float = 0.2) -> Tensor:
    """Random brightness, contrast and saturation of each image in 0..1, some turned grey."""
    n = len(images)

    def factor() -> Tensor:
        return torch.empty(n, 1, 1, 1).uniform_(1 - strength, 1 + strength)

    shown = images * factor()
    mean = shown.mean(dim=(1, 2, 3), keepdim=True)
    shown = (shown - mean) * factor() + mean
    luma = (shown * torch.tensor([0.299, 0.587, 0.114])[:, None, None]).sum(dim=1, keepdim=True)
    kept = torch.where(torch.rand(n, 1, 1, 1) < grey, torch.zeros(n, 1, 1, 1), factor())
    return ((shown - luma) * kept + luma).clamp(0, 1)


def blurred(images: Tensor, share: float = 0.5) -> Tensor:
    """A Gaussian of 1 pixel over a share of the images."""
    line = torch.exp(-0.5 * torch.arange(-2.0, 3.0) ** 2)
    kernel = (line[:, None] * line[None, :] / line.sum() ** 2).expand(3, 1, 5, 5)
    soft = F.conv2d(F.pad(images, (2, 2, 2, 2), mode="reflect"), kernel, groups=3)
    return torch.where(torch.rand(len(images), 1, 1, 1) < share, soft, images)
