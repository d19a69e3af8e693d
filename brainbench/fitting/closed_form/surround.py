"""The surround: the whole image, on a coarse grid and in a few components, that voxels may read beside the places they select.

n images, L layers, q x q coarse places, k components. With A_l [n, q q C_l] the coarse tokens of layer l about their mean, scaled
to a mean square of 1 an image, the components are the k leading ones of all layers side by side,

    K = 1/L sum_l A_l A_l^T = U diag(e) U^T,    z = U diag(e)^(1/2)        [n, k]
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d

SIDE = 4
# Components of many images tell voxels little more (docs/decisions/020); where all are affordable, there are up to so many.
COMPONENTS, ALL_COMPONENTS = 64, 1024
# Of the largest component: a smaller one is what rounding leaves.
_NEGLIGIBLE = 1e-6


class Surround(nn.Module):
    """Tokens of an image -> its k components.

    grid: (H, W); bases: per layer [q q C_l, k].
    """

    def __init__(self, grid: tuple[int, int], bases: Sequence[Tensor]) -> None:
        super().__init__()
        self.grid, self.layers, self.components = grid, len(bases), bases[0].shape[1]
        for layer, basis in enumerate(bases):
            self.register_buffer(f"basis_{layer}", basis)

    @classmethod
    def shaped(
        cls, grid: tuple[int, int], layers: int, parameters: Mapping[str, Tensor], prefix: str
    ) -> Surround | None:
        """One into which the state with these names, after ``prefix``, can be loaded; None if they hold none."""
        bases = [parameters.get(f"{prefix}basis_{layer}") for layer in range(layers)]
        found = [torch.empty_like(basis) for basis in bases if basis is not None]
        return cls(grid, found) if len(found) == layers else None

    def weighted(self, weights: Tensor) -> Surround:
        """The surround with one component a voxel, which is what that voxel reads of it; weights: [V, k]."""
        return Surround(self.grid, [self.get_buffer(f"basis_{i}") @ weights.t() for i in range(self.layers)])

    def forward(self, tokens: Sequence[Tensor]) -> Tensor:
        """Per layer [B, P, C_l] -> [B, k]."""
        parts = (coarse(layer, self.grid) @ self.get_buffer(f"basis_{i}") for i, layer in enumerate(tokens))
        return torch.stack(list(parts)).sum(dim=0)


def coarse(tokens: Tensor, grid: tuple[int, int]) -> Tensor:
    """Local tokens, averaged over q x q parts of the grid: [B, H*W + 1, C] -> [B, q q C]."""
    local = tokens[:, :-1].reshape(len(tokens), *grid, tokens.shape[2]).movedim(3, 1)
    return adaptive_avg_pool2d(local, (min(SIDE, grid[0]), min(SIDE, grid[1]))).flatten(1)


def find_surround(
    grid: tuple[int, int], layers: int, tokens: Callable[[int], Tensor], most: int = COMPONENTS
) -> Surround | None:
    """Find the leading components over some images, at most ``most``; None where all images are alike.

    tokens: number of a layer -> its tokens of those images, [n, P, C_l]; asked for twice, layer by layer.
    """

    def scaled(number: int) -> tuple[Tensor, float]:
        found = coarse(tokens(number), grid)
        # In float64 the mean of figures that are all the same is that figure.
        found = found - found.double().mean(dim=0).to(found.dtype)
        return found, float(found.double().square().sum()) / len(found)

    products = []
    for number in range(layers):
        images, power = scaled(number)
        products.append((images @ images.t()).double().cpu() / (layers * power) if power > 0 else None)
    known = [product for product in products if product is not None]
    if not known:
        return None
    values, vectors = torch.linalg.eigh(torch.stack(known).sum(dim=0))
    count = min(most, int((values > _NEGLIGIBLE * values[-1]).sum()))
    values, vectors = values[-count:].flip(0), vectors[:, -count:].flip(1)
    # The sign of an eigenvector is anybody's: the largest entry is made positive.
    vectors = vectors * vectors.gather(0, vectors.abs().argmax(dim=0, keepdim=True)).sign()
    bases = []
    for number in range(layers):
        images, power = scaled(number)
        turned = (vectors / (layers * (power or 1.0) * values.sqrt())).to(images.device, images.dtype)
        bases.append((images.t() @ turned).contiguous())
    return Surround(grid, bases)
