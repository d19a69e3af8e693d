"""The local tokens of one layer, as autoencoders read them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from brainbench import DataError, Features

Rows = NDArray[np.int64]
# Images read at once: as many as the feature store has in one file.
CHUNK = 64


def chunks(rows: Rows) -> Iterator[tuple[slice, Rows]]:
    """Yield (their place among ``rows``, row numbers) of a few images at a time."""
    for start in range(0, len(rows), CHUNK):
        yield slice(start, min(start + CHUNK, len(rows))), rows[start : start + CHUNK]


def tokens_of(features: Features, layer: int, rows: Rows) -> Tensor:
    """Return [n, P, C_l] in the store's type, the P places row by row. Raises DataError if one is not finite."""
    raw = torch.from_numpy(np.array(features.local_tokens(layer, rows))).flatten(2).transpose(1, 2)
    finite = raw.isfinite().all(dim=2).all(dim=1)
    if not bool(finite.all()):
        image = int(rows[int((~finite).nonzero()[0])])
        raise DataError(
            f"layer {features.layers[layer]!r}: the tokens of image {image} hold NaN or infinity; use wider numbers "
            "(--set BACKBONE.dtype=float32), or leave the layer out"
        )
    return raw


def held(features: Features, layer: int, rows: Rows, device: str) -> Tensor:
    """Return the tokens of all these images, [n P, C_l] in the store's type, on ``device``."""
    height, width = features.grids[layer]
    result: Tensor | None = None
    for place, some in chunks(rows):
        part = tokens_of(features, layer, some)
        if result is None:
            result = torch.empty(len(rows), height * width, part.shape[2], dtype=part.dtype, device=device)
        result[place] = part.to(device)
    if result is None:
        raise DataError("there are no train images to train autoencoders on")
    return result.flatten(0, 1)
