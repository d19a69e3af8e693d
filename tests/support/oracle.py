"""FactorTopy as Listing 1 prints it: every intermediate in full, plain operations, any precision. For comparison only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


def read_out(
    tokens: Tensor, grid: tuple[int, int], space: Tensor, layer: Tensor, scale: Tensor, channel: Tensor
) -> Tensor:
    """[L, B, H*W + 1, D], (H, W), [V, K, 2], [V, L], [V], [V, D] -> [B, V]; makes [B, V, D, L]."""
    layers, images, _, dim = tokens.shape
    v_local, v_global = [], []
    for index in range(layers):
        picture = tokens[index, :, :-1].transpose(1, 2).reshape(images, dim, *grid)
        points = space[None].expand(images, -1, -1, -1)
        seen = F.grid_sample(picture, points, mode="bilinear", padding_mode="zeros", align_corners=False)
        v_local.append(seen.mean(dim=3).transpose(1, 2))
        v_global.append(tokens[index, :, -1][:, None].expand(-1, len(space), -1))
    a = scale[None, :, None, None]
    v = torch.stack(v_local, dim=-1) * (1 - a) + torch.stack(v_global, dim=-1) * a
    return ((v * layer[None, :, None, :]).sum(dim=-1) * channel[None]).sum(dim=-1)


def encoding(coordinates: Tensor) -> Tensor:
    """[V, 3] -> [V, 192]: sines, then cosines, axis by axis."""
    low, high = coordinates.amin(dim=0), coordinates.amax(dim=0)
    scaled = (coordinates - (low + high) / 2) * 100 / (high - low).max().clamp_min(1e-30)
    frequencies = torch.logspace(0, -3, 32, dtype=coordinates.dtype)
    angles = torch.stack([scaled[:, axis, None] * frequencies for axis in range(3)], dim=1)
    return torch.cat([angles.sin(), angles.cos()], dim=2).flatten(1)


def mlp(x: Tensor, parameters: Mapping[str, Tensor], name: str) -> Tensor:
    """192-128-128-n with the exact GELU, written out."""
    for index in (0, 2, 4):
        x = x @ parameters[f"{name}.{index}.weight"].T + parameters[f"{name}.{index}.bias"]
        if index < 4:
            x = 0.5 * x * (1 + torch.erf(x / 2**0.5))
    return x


def smooth_l1(error: Tensor, beta: float = 0.1) -> Tensor:
    """The mean of e^2 / (2 beta) where |e| < beta, of |e| - beta / 2 elsewhere."""
    size = error.abs()
    return torch.where(size < beta, size.square() / (2 * beta), size - beta / 2).mean()


def factortopy(
    parameters: Mapping[str, Tensor],
    coordinates: Tensor,
    tokens: Sequence[Tensor],
    grid: tuple[int, int],
    *,
    mean: bool,
    scale_penalty: float = 0.0,
) -> tuple[Tensor, Tensor]:
    """(responses [B, V], penalty) of the model with these parameters, named as in its state. tokens: per layer [B, P, C_l].

    The penalty is R and ``scale_penalty`` times the mean squared distance of scales from 1/2.

    An axis without a selector is averaged over: layers, space, local and global.
    """
    voxels, layers = len(parameters["constant"]), len(tokens)
    x = encoding(coordinates) if any(name.endswith(".0.weight") for name in parameters) else None

    def selector(name: str) -> Tensor | None:
        if f"selectors.{name}" in parameters:
            return parameters[f"selectors.{name}"] * 20
        return mlp(x, parameters, f"selectors.{name}") if f"selectors.{name}.0.weight" in parameters else None

    raw = {name: selector(name) for name in ("space", "layer", "scale")}
    layer = (
        torch.full((voxels, layers), 1 / layers, dtype=torch.float64)
        if raw["layer"] is None
        else raw["layer"].softmax(1)
    )
    scale = torch.full((voxels,), 0.5, dtype=torch.float64) if raw["scale"] is None else raw["scale"].sigmoid()[:, 0]
    aligned = []
    for index, given in enumerate(tokens):
        local = parameters[f"align.layers.{index}"]
        aligned.append(
            torch.cat(
                [given[:, :-1] @ local.T, given[:, -1:] @ parameters.get(f"align.globals.{index}", local).T], dim=1
            )
        )
    table = torch.stack(aligned)
    if raw["space"] is None:
        table = torch.cat([table[:, :, :-1].mean(dim=2, keepdim=True), table[:, :, -1:]], dim=2)
        grid, space = (1, 1), torch.zeros(voxels, 1, 2, dtype=torch.float64)
    else:
        space = raw["space"].tanh().unflatten(1, (-1, 2))
    channel = parameters["channel"] / (parameters["channel"].shape[1] if mean else 1)
    responses = read_out(table, grid, space, layer, scale, channel) + parameters["constant"]
    entropy = -(layer * layer.log()).sum(dim=1).mean() / torch.tensor(float(max(layers, 2))).log()
    return responses, -entropy + scale_penalty * (scale - 0.5).square().mean()
