"""Second moments between places: what all voxels that read the same places have in common, summed over images once.

n images with c_i trials each, P places, p kept channels of all layers side by side, V voxels, and S sets of images: the judged
folds, and the images in none of them. For places a <= b and the images of a set:

    M_ab = sum_i c_i T_ia^T T_ib  (+ its transpose, for a < b)         [p, p]

so that the Gram matrix of a voxel with shares s is sum_ab s_a s_b M_ab, without another look at the images.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from brainbench.fitting.closed_form.places import Group

# Images whose tokens are weighted and multiplied at once.
_IMAGES = 512


@dataclass(frozen=True)
class Moments:
    """Sums over the images of each set, about ``origin``.

    origin: [P, p], what is subtracted of every token; gram: [S, pairs, p, p]; pair: [P, P], which of the pairs two places
    are, a <= b; tokens: [S, P, p]; trials: [S], float64.
    """

    origin: Tensor
    gram: Tensor
    pair: Tensor
    tokens: Tensor
    trials: Tensor

    def grams(self, group: Group, shares: Tensor) -> tuple[Tensor, Tensor]:
        """(Gram matrices [S, m, p, p], sums [S, m, p]) of the voxels of a group; shares: [m, q], of its places."""
        first, second = torch.triu_indices(len(group.places), len(group.places)).unbind()
        coefficients = (shares[:, first] * shares[:, second]).to(self.gram.dtype)
        table = self.gram[:, self.pair[group.places[first], group.places[second]].to(self.gram.device)]
        sets, _, width, _ = table.shape
        gram = (coefficients @ table.flatten(2)).view(sets, len(shares), width, width)
        places = group.places.to(self.gram.device)
        return gram, shares.to(self.gram.dtype) @ self.tokens[:, places]


def moments(tokens: Tensor, trials: Tensor, sets: Tensor, voxels: Iterable[Group], dtype: torch.dtype) -> Moments:
    """Sum over all images.

    tokens: [n, P, p]; trials: [n], how many each image has; sets: [n] int64 on the CPU, which set it is in; voxels: the
    groups, whose pairs of places are summed; dtype: of the sums.
    """
    count, places, width = int(sets.max()) + 1, tokens.shape[1], tokens.shape[2]
    pair = torch.full((places, places), -1)
    for group in voxels:
        first, second = torch.triu_indices(len(group.places), len(group.places)).unbind()
        pair[group.places[first], group.places[second]] = 0
    wanted = (pair == 0).nonzero()
    pair[wanted[:, 0], wanted[:, 1]] = torch.arange(len(wanted))
    origin = tokens[:_IMAGES].to(dtype).mean(dim=0)
    gram = torch.zeros(count, len(wanted), width, width, dtype=dtype, device=tokens.device)
    sums = torch.zeros(count, places, width, dtype=dtype, device=tokens.device)
    for number in range(count):
        for rows in torch.split((sets == number).nonzero()[:, 0], _IMAGES):
            z, c = centred(tokens, rows, origin), trials[rows].to(tokens.device, dtype)
            weighted = c[:, None, None] * z
            sums[number] += weighted.sum(dim=0)
            # One place after another side by side in memory: the products below then read straight on.
            z, weighted = z.transpose(0, 1).contiguous(), weighted.transpose(0, 1).contiguous()
            for at, (a, b) in enumerate(wanted.tolist()):
                gram[number, at].addmm_(weighted[a].t(), z[b])
    for at, (a, b) in enumerate(wanted.tolist()):
        if a != b:
            gram[:, at] += gram[:, at].transpose(1, 2).clone()
    total = torch.zeros(count, dtype=torch.float64).index_add_(0, sets, trials.double().cpu())
    return Moments(origin, gram, pair, sums, total.to(tokens.device))


def centred(tokens: Tensor, rows: Tensor, origin: Tensor) -> Tensor:
    """Tokens of some images about ``origin``, [r, P, p]; rows: their numbers, on the CPU."""
    return tokens[rows.to(tokens.device)].to(origin.dtype) - origin


def cross(tokens: Tensor, weighted: Tensor, sets: Tensor, origin: Tensor, group: Group, shares: Tensor) -> Tensor:
    """sum_i c_i y_iv x_iv over the images of each set, [S, m, p], of a group's voxels.

    weighted: c_i y_iv, [n, m]; shares: [m, q].
    """
    count, width = int(sets.max()) + 1, tokens.shape[2]
    result = weighted.new_zeros(count, len(shares), width)
    places = group.places.to(tokens.device)
    for number in range(count):
        for rows in torch.split((sets == number).nonzero()[:, 0], _IMAGES):
            there = rows.to(tokens.device)
            for column, place in enumerate(places):
                z = tokens[there, place].to(origin.dtype) - origin[place]
                result[number] += shares[:, [column]].to(origin.dtype) * (weighted[there].t() @ z)
    return result
