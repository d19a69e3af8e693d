"""Sparse autoencoders: from the tokens of one layer to the codes of M units, and back.

Shapes: B tokens, C channels, M units.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Generator, Tensor, nn

Activation = Literal["relu", "topk", "jumprelu", "identity"]
ACTIVATIONS: tuple[Activation, ...] = ("relu", "topk", "jumprelu", "identity")


class Autoencoder(nn.Module):
    """z = activation(W (x - b_pre) + b); x' = D^T z + b_pre.

    activation: ``relu``; ``topk`` keeps the k largest of a token and no negative one; ``jumprelu`` keeps what is above the
    unit's threshold; ``identity`` keeps everything. tied: D = W.
    """

    encoder: nn.Parameter
    bias: nn.Parameter
    centre: nn.Parameter
    decoder: nn.Parameter | None
    threshold: Tensor

    def __init__(
        self, channels: int, units: int, activation: Activation = "relu", *, tied: bool = True, k: int = 0
    ) -> None:
        super().__init__()
        self.activation, self.k = activation, k
        self.encoder = nn.Parameter(torch.zeros(units, channels))
        self.bias = nn.Parameter(torch.zeros(units))
        self.centre = nn.Parameter(torch.zeros(channels))
        self.register_parameter("decoder", None if tied else nn.Parameter(torch.zeros(units, channels)))
        self.register_buffer("threshold", torch.zeros(units if activation == "jumprelu" else 0))

    @property
    def units(self) -> int:
        """M."""
        return len(self.encoder)

    @property
    def channels(self) -> int:
        """C."""
        return self.encoder.shape[1]

    @property
    def tied(self) -> bool:
        """Whether the decoder is the encoder."""
        return self.decoder is None

    def before(self, tokens: Tensor) -> Tensor:
        """Return what goes into the activation: [B, C] -> [B, M]."""
        return nn.functional.linear(tokens - self.centre, self.encoder, self.bias)

    def codes(self, tokens: Tensor) -> Tensor:
        """Return the codes: [B, C] -> [B, M]."""
        before = self.before(tokens)
        if self.activation == "topk":
            return largest_of_token(before, self.k)
        if self.activation == "jumprelu":
            return before.relu() * (before > self.threshold)
        return before.relu() if self.activation == "relu" else before

    def decode(self, codes: Tensor) -> Tensor:
        """Return the tokens that the codes stand for: [B, M] -> [B, C]."""
        return codes @ (self.encoder if self.decoder is None else self.decoder) + self.centre

    def only(self, units: Tensor) -> Autoencoder:
        """Return an autoencoder of these units alone, with the same codes.

        A code of ``topk`` depends on all other units, so such an autoencoder keeps them all.
        """
        if self.activation == "topk":
            raise ValueError("the codes of a topk autoencoder depend on all its units")
        few = Autoencoder(self.channels, len(units), self.activation, tied=self.tied)
        state = self.state_dict()
        few.load_state_dict(
            {name: kept if name == "centre" or not len(kept) else kept[units] for name, kept in state.items()}
        )
        return few.requires_grad_(False)


def largest_of_token(before: Tensor, k: int) -> Tensor:
    """Keep the k largest values of each row [B, M], and none below 0."""
    values, places = before.topk(min(k, before.shape[1]), dim=1)
    return torch.zeros_like(before).scatter(1, places, values.relu())


def largest_of_batch(before: Tensor, k: int) -> Tensor:
    """Keep the k B largest values of a batch [B, M], and none below 0."""
    flat = before.relu().flatten()
    values, places = flat.topk(min(k * len(before), len(flat)))
    return torch.zeros_like(flat).scatter(0, places, values).reshape(before.shape)


def drawn(channels: int, units: int, kind: str, k: int, generator: Generator) -> Autoencoder:
    """Return an untrained autoencoder.

    kind: ``tied``, ``topk`` or ``batchtopk``. W is drawn as torch draws a linear layer's, uniformly within 1 / sqrt(C); biases
    are 0. The decoder of an untied one starts as W, with rows of unit norm.
    """
    bound = channels**-0.5
    weights = (2 * torch.rand(units, channels, generator=generator) - 1) * bound
    if kind == "tied":
        made = Autoencoder(channels, units)
    else:
        made = Autoencoder(channels, units, "topk" if kind == "topk" else "jumprelu", tied=False, k=k)
    with torch.no_grad():
        made.encoder.copy_(weights)
        if made.decoder is not None:
            made.decoder.copy_(nn.functional.normalize(weights, dim=1))
    return made


def neurons(channels: int) -> Autoencoder:
    """Return the raw channels as a dictionary: unit m is channel m."""
    made = Autoencoder(channels, channels, "identity")
    with torch.no_grad():
        made.encoder.copy_(torch.eye(channels))
    return made
