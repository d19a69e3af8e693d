"""The loss that an autoencoder is trained with, and what follows each step.

Shapes: B tokens, C channels, M units.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from brainbench_sae.autoencoder import Autoencoder, largest_of_batch

# How much of the threshold of a batchtopk autoencoder a step replaces. SAELens has 0.01, for trainings of many more steps.
_THRESHOLD_RATE = 0.05
# Share of the mean size of a batch below which a token counts as zero.
_SMALLEST = 1e-3


def normalised_error(tokens: Tensor, found: Tensor) -> Tensor:
    """Mean over tokens of mean((x' - x)^2) / mean(x^2), the error as a share of the token's own size.

    The published evaluation code divides by the reconstruction's size instead, because it swaps the arguments.
    """
    return _per_size((found - tokens).square().mean(dim=1), tokens.square().mean(dim=1))


def sparsity(codes: Tensor, tokens: Tensor) -> Tensor:
    """Mean over tokens of sum |z| / ||x||_2."""
    return _per_size(codes.abs().sum(dim=1), tokens.norm(dim=1))


def _per_size(values: Tensor, size: Tensor) -> Tensor:
    """Mean of values [B] over sizes [B]. A token of hardly any size, such as one behind a ReLU, would be all that counts."""
    known = size > _SMALLEST * size.mean()
    return torch.where(known, values / size.where(known, torch.ones_like(size)), 0).mean()


class Objective:
    """The loss of one kind: ``tied`` has a penalty on codes, ``topk`` and ``batchtopk`` a fixed number of them."""

    def __init__(self, autoencoder: Autoencoder, kind: str, l1: float) -> None:
        self.autoencoder, self.kind, self.l1 = autoencoder, kind, l1
        self._smallest: Tensor | None = None
        if autoencoder.decoder is not None:
            autoencoder.decoder.register_hook(self._across)  # type: ignore[no-untyped-call]

    def loss(self, tokens: Tensor) -> Tensor:
        """Return the loss of a batch [B, C]."""
        model = self.autoencoder
        if self.kind == "batchtopk":
            codes = largest_of_batch(model.before(tokens), model.k)
            active = codes.detach()[codes.detach() > 0]
            self._smallest = active.min() if len(active) else None
        else:
            codes = model.codes(tokens)
        error = normalised_error(tokens, model.decode(codes))
        return error + self.l1 * sparsity(codes, tokens) if self.kind == "tied" else error

    @torch.no_grad()
    def after_step(self) -> None:
        """Bring the rows of the decoder back to unit norm, and move the threshold towards the smallest code of the batch."""
        decoder = self.autoencoder.decoder
        if decoder is not None:
            decoder.copy_(nn.functional.normalize(decoder, dim=1))
        threshold = self.autoencoder.threshold
        if self._smallest is not None:
            threshold += (_THRESHOLD_RATE if threshold.any() else 1) * (self._smallest - threshold)

    def _across(self, gradient: Tensor) -> Tensor:
        """Remove from the decoder's gradient what would change the norm of a row."""
        decoder = self.autoencoder.decoder
        assert decoder is not None
        rows = decoder.detach()
        return gradient - (gradient * rows).sum(dim=1, keepdim=True) * rows
