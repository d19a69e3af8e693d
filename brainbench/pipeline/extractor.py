"""Images -> tokens, checked against the contract and resampled to the requested grid."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor
from torch.nn import functional

from brainbench.errors import DataError, PluginError
from brainbench.pipeline._batch_size import batch_that_pays, out_of_memory
from brainbench.types import Device, Grid, Tokens

if TYPE_CHECKING:
    import numpy as np

GRID = 8  # Listing 1: every layer is brought to 8 x 8

Part = tuple[list[Tensor], list[Tensor]]
Arrays = tuple[list["np.ndarray"], list["np.ndarray"]]


@dataclass(frozen=True)
class TokenOutput:
    """The card whose tokens a pass should return, its layers, and the grid."""

    name: str
    layers: Sequence[str]
    grid: Grid


class Images(Protocol):
    """Returns the next images [count, 3, H, W], ready for the network."""

    def names(self, count: int) -> Sequence[str]:
        """The names of the last ``count`` images taken."""
        ...

    def take(self, count: int) -> Tensor:
        """The next ``count``."""
        ...


class Extractor:
    """Runs one network over images and converts its tokens to the requested grid and type, batch by batch.

    read: [B, 3, H, W] on the device -> tokens by name; settings: the card's ``batch`` (0: automatic), ``precision``,
    ``dtype``.
    """

    def __init__(
        self, read: Callable[[Tensor], Mapping[str, Tokens]], device: Device, settings: Mapping[str, Any]
    ) -> None:
        self._read, self._device = read, device
        self._dtype, self._bfloat16 = str(settings["dtype"]), settings["precision"] == "bfloat16"
        self._size = int(settings["batch"])

    def extract(self, images: Images, count: int, wanted: Sequence[TokenOutput]) -> list[Arrays]:
        """Return tokens of the next ``count`` images: per layer of each request, local and global ones.

        If memory runs out, the batch is halved for the rest of the run. Raises PluginError for a wrong shape, a value that
        is not finite, or if a single image is too large; DataError if float16 cannot represent a value.
        """
        parts: list[list[Part]] = [[] for _ in wanted]
        done = 0
        while done < count:
            batch = self._next(images, count - done, wanted)
            done += len(batch)
            for found in self._in_pieces(batch, wanted, images.names(len(batch))):
                for several, one in zip(parts, found, strict=True):
                    several.append(one)
        return [_joined(several) for several in parts]

    def _next(self, images: Images, left: int, wanted: Sequence[TokenOutput]) -> Tensor:
        """Return the next batch.

        A chunk is always divided in the same way, whether or not its first image was used to find the size.
        """
        if self._size:
            return images.take(min(self._size, left))
        first = images.take(1)
        self._size = batch_that_pays(lambda: self._pass(first, wanted, images.names(1)), self._device)
        rest = min(self._size, left) - 1
        return torch.cat([first, images.take(rest)]) if rest else first

    def _in_pieces(self, batch: Tensor, wanted: Sequence[TokenOutput], names: Sequence[str]) -> Iterator[list[Part]]:
        while len(batch):
            try:
                found = self._pass(batch[: self._size], wanted, names)
            except (MemoryError, RuntimeError) as error:
                self._halve(error, wanted[0].name)
                continue
            yield found
            read = len(found[0][1][0])
            batch, names = batch[read:], names[read:]

    def _pass(self, batch: Tensor, wanted: Sequence[TokenOutput], names: Sequence[str]) -> list[Part]:
        autocast = torch.autocast(torch.device(self._device).type, torch.bfloat16, enabled=self._bfloat16)
        with torch.inference_mode(), autocast:
            tokens = self._read(batch.to(self._device))
        return [self._part(tokens[one.name], one, len(batch), names) for one in wanted]

    def _part(self, tokens: Tokens, wanted: TokenOutput, images: int, names: Sequence[str]) -> Part:
        check_tokens(tokens, wanted.layers, images, wanted.name, names)
        with torch.inference_mode():
            local = [resample(spatial, wanted.grid) for spatial in tokens.local_tokens]
            return (
                [_cast(t, self._dtype, layer, wanted.name) for t, layer in zip(local, wanted.layers, strict=True)],
                [
                    _cast(t, self._dtype, layer, wanted.name)
                    for t, layer in zip(tokens.global_tokens, wanted.layers, strict=True)
                ],
            )

    def _halve(self, error: BaseException, name: str) -> None:
        """Halve the batch if memory ran out. Raise for any other error, or if the batch cannot be halved."""
        if not out_of_memory(error):
            raise error
        if self._size <= 1:
            raise PluginError(
                f"{name}: memory does not suffice for one image on {self._device}; use another device"
            ) from error
        self._size //= 2
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def resample(spatial: Tensor, grid: Grid) -> Tensor:
    """Resample [B, C, H, W] to [B, C, 8, 8] (bilinear, antialiased when shrinking), or not at all for the native grid.

    Two matrix products are four times as fast as ``interpolate`` on the channels-last tokens of a transformer. They take the axes
    in the order in which they are stored, which is 1.5 to 4.5 times as fast on maps of 56 x 56.
    """
    if grid == "native" or spatial.shape[2:] == (GRID, GRID):
        return spatial
    height, width = spatial.shape[2:]
    if spatial.is_contiguous():
        shrunk = torch.matmul(spatial.float(), _interpolation(width, spatial.device).T)  # [B, C, H, 8]
        return torch.matmul(_interpolation(height, spatial.device), shrunk)
    rows = spatial.float().permute(0, 2, 3, 1).flatten(2)  # [B, H, W C]
    rows = torch.matmul(_interpolation(height, spatial.device), rows).reshape(
        len(spatial), GRID, width, -1
    )  # [B, 8, W, C]
    return torch.matmul(_interpolation(width, spatial.device), rows).permute(0, 3, 1, 2)


@lru_cache
def _interpolation(length: int, device: torch.device) -> Tensor:
    """Return the weights [8, length] of ``length`` input positions in 8 outputs, as ``interpolate`` computes them."""
    each = torch.eye(length, device=device)[None, None]
    return functional.interpolate(each, (GRID, length), mode="bilinear", antialias=True, align_corners=False)[0, 0]


def all_finite(values: Tensor) -> bool:
    """Whether no value is NaN or infinite, in one pass: a sum is finite only if all values are, unless it overflows itself."""
    return bool(torch.isfinite(values.sum(dtype=torch.float32))) or bool(torch.isfinite(values).all())


def check_tokens(tokens: Tokens, layers: Sequence[str], images: int, name: str, shown: Sequence[str] = ()) -> None:
    """Raise PluginError unless ``tokens`` are one batch of every layer, with matching shapes and finite values."""
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
            if not all_finite(tensor):
                raise PluginError(
                    f"{name}: {kind} tokens of layer {layer} hold NaN or infinite values{_of(tensor, shown)}"
                )


def _of(tensor: Tensor, shown: Sequence[str]) -> str:
    """Whose tokens are not finite, by the names of the images."""
    bad = (~torch.isfinite(tensor).flatten(1).all(dim=1)).nonzero()[:, 0].tolist()
    named = [shown[row] for row in bad if row < len(shown)]
    return f" for image {named[0]}{f' and {len(named) - 1} more' * (len(named) > 1)}" if named else ""


def _joined(parts: Sequence[Part]) -> Arrays:
    local, glob = zip(*parts, strict=True)
    return [torch.cat(layer).numpy() for layer in zip(*local, strict=True)], [
        torch.cat(layer).numpy() for layer in zip(*glob, strict=True)
    ]


def _cast(tensor: Tensor, dtype: str, layer: str, name: str) -> Tensor:
    kind: torch.dtype = getattr(torch, dtype)
    cast = tensor.detach().to("cpu", kind)
    if kind is torch.float16 and not all_finite(cast):
        largest = float(tensor.abs().max())
        raise DataError(
            f"{name}: layer {layer} reaches {largest:.3g}, which float16 cannot hold; run with --set {name}.dtype=float32"
        )
    return cast.contiguous()
