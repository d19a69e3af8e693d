"""Kept channels: the channels of a layer that a voxel's regression has, all of them or the leading principal ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from math import sqrt

import torch
from torch import Tensor, nn


class KeptChannels(nn.Module):
    """T_l -> T_l P_l / sqrt(C_l) for every layer; P_l is the identity where a layer keeps all its channels.

    channels: C_l; bases: per layer P_l, [C_l, k_l], orthonormal, or None. The division lets layers weigh the same, however
    wide they are.
    """

    def __init__(self, channels: Sequence[int], bases: Sequence[Tensor | None]) -> None:
        super().__init__()
        self.channels = tuple(channels)
        self.kept = tuple(c if b is None else b.shape[1] for c, b in zip(channels, bases, strict=True))
        for layer, basis in enumerate(bases):
            if basis is not None:
                self.register_buffer(f"basis_{layer}", basis)

    def layer(self, number: int, tokens: Tensor) -> Tensor:
        """Tokens of one layer [B, P, C_l] -> [B, P, k_l]."""
        basis = self._buffers.get(f"basis_{number}")
        kept = tokens if basis is None else tokens @ basis
        result: Tensor = kept / sqrt(self.channels[number])
        return result

    def forward(self, tokens: Sequence[Tensor]) -> Tensor:
        """Per layer [B, P, C_l] -> all layers side by side, [B, P, sum of k_l]."""
        return torch.cat([self.layer(number, layer) for number, layer in enumerate(tokens)], dim=2)


def principal_channels(
    channels: Sequence[int], kept: int, batches: Callable[[], Iterable[Sequence[Tensor]]]
) -> KeptChannels:
    """Keep the ``kept`` leading principal channels of every layer that has more than those.

    batches: read anew at every call, per layer [B, P, C_l] of some images; principal over images and places.
    """
    wide = [layer for layer, c in enumerate(channels) if c > kept]
    moments: dict[int, Tensor] = {}
    for tokens in batches() if wide else ():
        for layer in wide:
            flat = tokens[layer].flatten(0, 1)
            moment = (flat.t() @ flat).cpu().double()
            moments[layer] = moments[layer] + moment if layer in moments else moment
    bases = {layer: _leading(moment, kept) for layer, moment in moments.items()}
    return KeptChannels(channels, [bases.get(layer) for layer in range(len(channels))])


def _leading(moment: Tensor, kept: int) -> Tensor:
    """[C, kept] float32; signs such that the largest entry of each direction is positive."""
    _, vectors = torch.linalg.eigh(moment)
    vectors = vectors[:, -kept:].flip(1)
    largest = vectors.abs().argmax(dim=0, keepdim=True)
    leading: Tensor = vectors * vectors.gather(0, largest).sign()
    return leading.float().contiguous()
