"""A backbone with a head on one of its layers."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import numpy as np
import torch
from torch import Tensor, nn

from brainbench.backbones.module_backbone import seeded
from brainbench.errors import PluginError
from brainbench.protocols import JointBackbone
from brainbench.types import Stimuli, Tokens

# Images in one pass without gradients.
_READ = 16


def mlp_head(channels: int, hidden: int, classes: int, seed: int) -> nn.Module:
    """Return the head: layer norm, one hidden layer with GELU, and a score per class; [B, channels] -> [B, classes]."""
    with seeded(seed):
        return nn.Sequential(nn.LayerNorm(channels), nn.Linear(channels, hidden), nn.GELU(), nn.Linear(hidden, classes))


class TunedModule(nn.Module):
    """The network of a backbone and a head on the global token of one layer.

    The network stays in eval mode, so that batch norms keep their statistics, which four images cannot estimate. whole: whether
    the network is trained too.
    """

    def __init__(self, backbone: JointBackbone, name: str, layer: int, head: nn.Module, *, whole: bool) -> None:
        super().__init__()
        if backbone.module is None:
            raise PluginError(f"{name} has no module to tune")
        self.network, self.head = backbone.module, head
        self._read: Callable[[Tensor], Mapping[str, Tokens]] = backbone.tokens
        self._name, self._layer, self._whole = name, layer, whole
        for parameter in self.network.parameters():
            if parameter.dtype in (torch.float16, torch.bfloat16):
                raise PluginError(f"{name}: its parameters are {parameter.dtype}; tuning needs float32")
            parameter.requires_grad_(whole and parameter.is_floating_point())

    def forward(self, batch: Tensor) -> Tensor:
        """[B, 3, H, W] -> a score per class [B, classes]."""
        with torch.set_grad_enabled(self._whole and torch.is_grad_enabled()):
            token = self.tokens(batch)[self._layer]
        if self._whole and torch.is_grad_enabled() and not token.requires_grad:
            raise PluginError(
                f"{self._name} gives tokens without gradients, so only a head can be tuned: --set tune.trains=head"
            )
        scores: Tensor = self.head(token)
        return scores

    def tokens(self, batch: Tensor) -> list[Tensor]:
        """[B, 3, H, W] -> the global token of every layer, [B, C_l] float32."""
        return [token.float() for token in self._read(batch)[self._name].global_tokens]


class ImageReader:
    """Prepares images for a network. device: where they are put."""

    def __init__(self, stimuli: Stimuli, backbone: JointBackbone, device: str) -> None:
        self._stimuli, self._preprocess, self._device = stimuli, backbone.preprocess, device

    def batch(self, rows: Sequence[int]) -> Tensor:
        """The images with these row numbers, [B, 3, H, W]."""
        return torch.stack([self._preprocess(self._stimuli.open(row)) for row in rows]).to(self._device)

    def batches(self, rows: np.ndarray) -> Generator[tuple[np.ndarray, Tensor]]:
        """All these images in order, (their row numbers, [B, 3, H, W]); the next batch is prepared meanwhile."""
        parts = np.split(rows, range(_READ, len(rows), _READ))
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(self.batch, parts[0].tolist())
            for number, part in enumerate(parts):
                ready = waiting.result()
                if number + 1 < len(parts):
                    waiting = pool.submit(self.batch, parts[number + 1].tolist())
                yield part, ready


def read(
    images: ImageReader,
    rows: np.ndarray,
    tell: Callable[[Tensor], Sequence[Tensor]],
    progress: Callable[[int, int, str], None],
) -> list[np.ndarray]:
    """Return what ``tell`` says of all these images: several arrays [n, ...]. tell: [B, 3, H, W] -> several [B, ...]."""
    parts: list[list[np.ndarray]] = []
    done = 0
    # Not in inference mode: what a network caches in its first pass has to serve in training too.
    with torch.no_grad(), closing(images.batches(rows)) as batches:
        for numbers, batch in batches:
            parts.append([tensor.cpu().numpy() for tensor in tell(batch)])
            done += len(numbers)
            progress(done, len(rows), f"{done} of {len(rows)} images")
    return [np.concatenate(column) for column in zip(*parts, strict=True)]
