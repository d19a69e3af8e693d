"""Images -> tokens, checked against the contract and resampled to the grid that was asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from brainbench.errors import DataError, PluginError
from brainbench.types import Device, Grid, Tokens

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from brainbench.protocols import Backbone

GRID = 8  # Listing 1: every layer is brought to 8 x 8


def extract(
    backbone: Backbone, batch: Tensor, *, size: int, grid: Grid, dtype: str, device: Device, name: str
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Tokens of ``batch`` [n, 3, H, W], at most ``size`` images at a time.

    Returns per layer the local tokens [n, C_l, H_l, W_l] and the global tokens [n, C_l] in ``dtype``. Raises PluginError
    on a wrong shape or a value that is not finite, DataError where float16 cannot hold a value.
    """
    local: list[list[Tensor]] = [[] for _ in backbone.layers]
    glob: list[list[Tensor]] = [[] for _ in backbone.layers]
    for part in _parts(batch, size):
        with torch.inference_mode():
            tokens = backbone.tokens(part.to(device))
            check_tokens(tokens, backbone.layers, len(part), name)
            for layer, (spatial, pooled) in enumerate(zip(tokens.local_tokens, tokens.global_tokens, strict=True)):
                resampled = resample(spatial, grid)
                local[layer].append(_cast(resampled, dtype, backbone.layers[layer], name))
                glob[layer].append(_cast(pooled, dtype, backbone.layers[layer], name))
    return [torch.cat(p).numpy() for p in local], [torch.cat(p).numpy() for p in glob]


def resample(spatial: Tensor, grid: Grid) -> Tensor:
    """[B, C, H, W] -> [B, C, 8, 8] (bilinear, antialiased when shrinking), or as it is for the native grid."""
    if grid == "native" or spatial.shape[2:] == (GRID, GRID):
        return spatial
    return functional.interpolate(spatial.float(), (GRID, GRID), mode="bilinear", antialias=True, align_corners=False)


def check_tokens(tokens: Tokens, layers: Sequence[str], images: int, name: str) -> None:
    """Raise PluginError unless ``tokens`` are one batch of every layer, of matching shapes and finite."""
    if not isinstance(tokens, Tokens):
        raise PluginError(f"{name}: tokens() must return brainbench.Tokens, got {type(tokens).__name__}")
    found = (len(tokens.local_tokens), len(tokens.global_tokens))
    if found != (len(layers), len(layers)):
        raise PluginError(
            f"{name}: tokens() gave {found[0]} local and {found[1]} global layers, expected {len(layers)}"
        )
    for layer, spatial, pooled in zip(layers, tokens.local_tokens, tokens.global_tokens, strict=True):
        if spatial.ndim != 4 or len(spatial) != images:
            shape = list(spatial.shape)
            raise PluginError(f"{name}: local tokens of layer {layer} are {shape}, expected [{images}, C, H, W]")
        if pooled.shape != spatial.shape[:2]:
            expected = list(spatial.shape[:2])
            raise PluginError(f"{name}: global tokens of layer {layer} are {list(pooled.shape)}, expected {expected}")
        for kind, tensor in (("local", spatial), ("global", pooled)):
            if not bool(torch.isfinite(tensor).all()):
                raise PluginError(f"{name}: {kind} tokens of layer {layer} hold NaN or infinite values")


def _parts(batch: Tensor, size: int) -> Iterator[Tensor]:
    for start in range(0, len(batch), size):
        yield batch[start : start + size]


def _cast(tensor: Tensor, dtype: str, layer: str, name: str) -> Tensor:
    kind: torch.dtype = getattr(torch, dtype)
    cast = tensor.detach().to("cpu", kind)
    if kind is torch.float16 and not bool(torch.isfinite(cast).all()):
        largest = float(tensor.abs().max())
        raise DataError(
            f"{name}: layer {layer} reaches {largest:.3g}, which float16 cannot hold; run with --set {name}.dtype=float32"
        )
    return cast.contiguous()
