"""Terms that keep a channel align from losing information, in addition to the brain loss (appendix C.1, C.3).

Nodes are tokens, drawn anew at every step. L layers, m nodes of each, C_l channels of layer l, D aligned channels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from brainbench_alignedcut.projector import projector

NODES = 100
EIGENVECTORS = 6


@dataclass(frozen=True)
class Terms:
    """The weights of the terms (equation 10); a term of weight 0 is not computed. focal: equation 8 instead of 5."""

    eigen: float = 1.0
    zero_centre: float = 0.01
    covariance: float = 0.01
    focal: bool = True

    @property
    def wanted(self) -> bool:
        """Whether any term is."""
        return any((self.eigen, self.zero_centre, self.covariance))

    def loss(self, before: Sequence[Tensor], after: Tensor) -> Tensor:
        """The weighted sum, a scalar. before: nodes of each layer, [m, C_l]; after: the same, aligned, [L, m, D]."""
        total = after.new_zeros(())
        if self.eigen:
            total = total + self.eigen * eigen(before, after, focal=self.focal)
        if self.zero_centre:
            total = total + self.zero_centre * zero_centre(after)
        if self.covariance:
            total = total + self.covariance * covariance(after)
        return total


def affinity(nodes: Tensor) -> Tensor:
    """A_ij = exp(cos(v_i, v_j) - 1), [..., m, C] -> [..., m, m]; the cosine with a node that is all zero is 0."""
    directions = F.normalize(nodes, dim=-1)
    return (directions @ directions.mT - 1).exp()


def normalised(affinities: Tensor) -> Tensor:
    """D^-1/2 A D^-1/2 of equation 3, [..., m, m]."""
    scale = affinities.sum(dim=-1).rsqrt()
    return scale[..., :, None] * affinities * scale[..., None, :]


def eigen(before: Sequence[Tensor], after: Tensor, *, focal: bool) -> Tensor:
    """||(X_b X_b' - X_a X_a') * exp(-A_b)||, the Frobenius norm, the mean over layers (equations 5 and 8).

    X_b, X_a: the six leading eigenvectors of the normalised affinity before and after the align; the products compare the spaces
    they span. focal: weigh a pair of nodes by exp(-A_b), which counts those that lie apart more. Gradients flow into
    ``after`` only.
    """
    with torch.no_grad():
        affinities = torch.stack([affinity(layer) for layer in before])
        wanted = projector(normalised(affinities), EIGENVECTORS)
    change = wanted - projector(normalised(affinity(after)), EIGENVECTORS)
    if focal:
        change = change * (-affinities).exp()
    norms: Tensor = torch.linalg.vector_norm(change, dim=(1, 2))
    return norms.mean()


def zero_centre(after: Tensor) -> Tensor:
    """Mean over channels of |mean over the nodes of all layers|. Equation 6 is printed as a signed sum, which has no minimum."""
    return after.flatten(0, 1).mean(dim=0).abs().mean()


def covariance(after: Tensor) -> Tensor:
    """Sum of the squared covariances of every two channels over the nodes of all layers, by D (equation 7)."""
    nodes = after.flatten(0, 1)
    centred = nodes - nodes.mean(dim=0)
    found = centred.mT @ centred / (len(nodes) - 1)
    return (found.square().sum() - found.diagonal().square().sum()) / nodes.shape[1]
