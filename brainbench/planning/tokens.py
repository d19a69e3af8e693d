"""A request for the tokens of a backbone, for some images on some grid, and the key under which they are stored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from brainbench.planning import keys
from brainbench.planning.picks import AnyBackbone, BackbonePick
from brainbench.types import Grid, Stimuli
from brainbench.util.hashing import digest


@dataclass(frozen=True)
class TokenRequest:
    """A request for the tokens of a single or joint backbone for some images."""

    backbone: AnyBackbone
    stimuli: Stimuli
    grid: Grid

    @cached_property
    def _identity(self) -> tuple[str, dict[str, Any]]:
        return keys.features_key(self.backbone.facts, self.stimuli.key, self.grid)

    @property
    def key(self) -> str:
        """The features key."""
        return self._identity[0]

    @property
    def ingredients(self) -> Mapping[str, Any]:
        """What went into the key."""
        return self._identity[1]

    @cached_property
    def networks(self) -> tuple[NetworkRequest, ...]:
        """The same request for each network of the backbone."""
        return tuple(NetworkRequest(network, self.stimuli, self.grid) for network in self.backbone.networks)


@dataclass(frozen=True)
class NetworkRequest(TokenRequest):
    """The tokens of a single network."""

    backbone: BackbonePick

    @cached_property
    def networks(self) -> tuple[NetworkRequest, ...]:
        """Itself."""
        return (self,)

    @cached_property
    def reading(self) -> str:
        """A key that is equal for requests that one pass of the network over the images can serve."""
        card = self.backbone.card
        weights = keys.weights_facts(card, self.backbone.weights)
        network = repr(card.joint or card.name)
        return digest([network, weights, dict(self.backbone.settings), self.stimuli.key])


def token_request(backbone: AnyBackbone, stimuli: Stimuli, grid: Grid) -> TokenRequest:
    """Return the request of a backbone: that of its network, or of the several that are taken as one."""
    if isinstance(backbone, BackbonePick):
        return NetworkRequest(backbone, stimuli, grid)
    return TokenRequest(backbone, stimuli, grid)
