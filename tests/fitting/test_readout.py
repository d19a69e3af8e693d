"""The read-out against Listing 1 written out literally in float64."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from brainbench.fitting import Selection, bilinear_corners, read_out


def listing_1(tokens: Tensor, grid: tuple[int, int], selection: Selection, channel: Tensor) -> Tensor:
    """Every intermediate made in full: [B, N, D, L]."""
    layers, _, images, dim = tokens.shape
    voxels = len(channel)
    points = selection.space[None].expand(images, -1, -1, 2)
    v_local, v_global = [], []
    for layer in range(layers):
        local = tokens[layer, :-1].permute(1, 2, 0).reshape(images, dim, *grid)
        read = torch.nn.functional.grid_sample(
            local, points, mode="bilinear", padding_mode="zeros", align_corners=False
        )
        v_local.append(read.mean(-1).transpose(1, 2))
        v_global.append(tokens[layer, -1][:, None].expand(images, voxels, dim))
    scale = selection.scale[None, :, None, None]
    v = torch.stack(v_local, -1) * (1 - scale) + torch.stack(v_global, -1) * scale
    return ((v * selection.layer[None, :, None, :]).sum(-1) * channel).sum(-1)


def case(
    layers: int, images: int, voxels: int, dim: int, grid: tuple[int, int], samples: int = 1
) -> tuple[Tensor, Selection, Tensor]:
    generator = torch.Generator().manual_seed(layers * 100 + voxels)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    selection = Selection(draw(voxels, samples, 2).tanh(), draw(voxels, layers).softmax(1), draw(voxels).sigmoid())
    return draw(layers, grid[0] * grid[1] + 1, images, dim), selection, draw(voxels, dim)


@pytest.mark.parametrize(
    ("layers", "images", "voxels", "dim", "grid", "samples"),
    [(3, 4, 11, 5, (8, 8), 1), (1, 4, 11, 5, (8, 8), 1), (3, 1, 11, 5, (8, 8), 1), (3, 4, 1, 5, (8, 8), 1), (2, 3, 7, 1, (3, 5), 1),
     (2, 2, 4, 3, (1, 1), 1), (3, 4, 11, 5, (8, 8), 3)],
)  # fmt: skip
def test_values_and_gradients_are_those_of_listing_1(
    layers: int, images: int, voxels: int, dim: int, grid: tuple[int, int], samples: int
) -> None:
    tokens, selection, channel = case(layers, images, voxels, dim, grid, samples)
    inputs = [t.requires_grad_() for t in (tokens, *selection, channel)]
    weight = torch.randn(images, voxels, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    expected = listing_1(tokens, grid, selection, channel)
    measured = read_out(tokens, grid, selection, channel)
    torch.testing.assert_close(measured, expected, rtol=1e-10, atol=1e-12)
    gradients = torch.autograd.grad((measured * weight).sum(), inputs)
    for mine, oracle in zip(gradients, torch.autograd.grad((expected * weight).sum(), inputs), strict=True):
        torch.testing.assert_close(mine, oracle, rtol=1e-10, atol=1e-12)


def test_float32_is_within_rounding_of_the_float64_oracle() -> None:
    tokens, selection, channel = case(12, 4, 50, 16, (8, 8))
    measured = read_out(tokens.float(), (8, 8), Selection(*(s.float() for s in selection)), channel.float())
    torch.testing.assert_close(measured.double(), listing_1(tokens, (8, 8), selection, channel), rtol=1e-4, atol=1e-5)


def test_voxels_at_the_edge_of_the_image_read_half_of_what_is_outside() -> None:
    tokens, selection, channel = case(2, 3, 5, 4, (8, 8))
    edge = torch.tensor([[-1, -1], [1, 1], [1, -1], [0, 1], [-1, 0]], dtype=torch.float64)
    selection = selection._replace(space=edge[:, None])
    torch.testing.assert_close(
        read_out(tokens, (8, 8), selection, channel), listing_1(tokens, (8, 8), selection, channel)
    )
    _, weight = bilinear_corners((8, 8), edge)
    torch.testing.assert_close(weight.sum(1), torch.tensor([0.25, 0.25, 0.25, 0.5, 0.5], dtype=torch.float64))


def test_space_is_x_then_y_downwards() -> None:
    cell, weight = bilinear_corners((4, 6), torch.tensor([[5 / 6, -3 / 4]]))
    assert cell[0, weight[0].argmax()] == 5
    assert weight.max() == pytest.approx(1, abs=1e-6)


def test_scale_chooses_between_local_and_global() -> None:
    tokens, selection, channel = case(1, 2, 3, 4, (8, 8))
    only_global = read_out(tokens, (8, 8), selection._replace(scale=torch.ones(3, dtype=torch.float64)), channel)
    torch.testing.assert_close(only_global, tokens[0, -1] @ channel.t())
    only_local = selection._replace(scale=torch.zeros(3, dtype=torch.float64))
    other = tokens.clone()
    other[:, -1] += 7
    torch.testing.assert_close(
        read_out(other, (8, 8), only_local, channel), read_out(tokens, (8, 8), only_local, channel)
    )
