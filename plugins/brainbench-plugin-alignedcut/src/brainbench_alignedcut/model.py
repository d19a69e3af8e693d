"""The model of AlignedCut: a matrix for every layer, the mean over tokens and layers, a regression (equations 1 and 2)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from brainbench.fitting import ChannelAlign, SharedModel
from brainbench_alignedcut.terms import NODES, Terms


class AlignedCutModel(SharedModel):
    """V_l' = V_l W_l; y = the mean of V' over all layers and all tokens, grid and global, times beta, plus eps.

    The mean goes through the align unchanged, so tokens are averaged first. channels: C_l of every layer.
    """

    draws: Tensor

    def __init__(
        self, channels: Sequence[int], voxels: int, dim: int, terms: Terms, generator: Generator | None = None
    ) -> None:
        generator = generator or torch.Generator().manual_seed(0)
        super().__init__(voxels, dim, generator)
        self.terms = terms
        self.align = ChannelAlign(channels, dim, generator)
        # The seed of the next step's nodes. In the state, so that a stopped fit goes on with the same ones; on the CPU, whose
        # generator reads it.
        self.register_buffer("draws", torch.randint(1 << 31, (), generator=generator))

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> AlignedCutModel:
        moved: AlignedCutModel = super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        self.draws = self.draws.cpu()
        return moved

    def vector(self, tokens: Sequence[Tensor]) -> Tensor:
        """Per layer [B, P, C_l] -> the mean of V', [B, D']."""
        mean: Tensor = self.align([layer.mean(dim=1) for layer in tokens]).mean(dim=0)
        return mean

    def loss(self, tokens: Sequence[Tensor], observed: Tensor, penalty: float, blur: float = 0.0) -> Tensor:
        """L1 against ``observed`` [B, V] (equation 9), plus the terms on nodes that are drawn anew; nothing is blurred."""
        brain = F.l1_loss(self(tokens), observed)
        if not self.terms.wanted:
            return brain
        nodes = self._drawn(tokens)
        return brain + self.terms.loss(nodes, self.align(nodes))

    def _drawn(self, tokens: Sequence[Tensor]) -> list[Tensor]:
        """NODES tokens of each layer, or all if there are fewer: [m, C_l]; P is the same for all layers."""
        generator = torch.Generator().manual_seed(int(self.draws))
        self.draws += 1
        flat = [layer.flatten(0, 1) for layer in tokens]
        return [t[torch.randperm(len(t), generator=generator)[:NODES].to(t.device)] for t in flat]
