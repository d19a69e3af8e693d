"""Stimuli -> the network's input, decoded by several threads while the network is at work on the chunk before."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

from brainbench.types import Stimuli

if TYPE_CHECKING:
    from PIL import Image
    from torch import Tensor

Preprocess = Callable[["Image.Image"], "Tensor"]


def prepared(
    stimuli: Stimuli, chunks: Sequence[range], preprocess: Preprocess, workers: int = 2
) -> Iterator[tuple[range, Tensor]]:
    """Yield (row numbers, [n, 3, H, W]) for each chunk, one chunk decoded ahead.

    Whatever ``preprocess`` raises comes out here, at the chunk it belongs to.
    """
    import torch

    def one(row: int) -> Tensor:
        return preprocess(stimuli.open(row))

    with ThreadPoolExecutor(workers) as pool:
        ahead: list[list[Future[Tensor]]] = []
        for number, rows in enumerate(chunks):
            if number == 0:
                ahead.append([pool.submit(one, row) for row in rows])
            if number + 1 < len(chunks):
                ahead.append([pool.submit(one, row) for row in chunks[number + 1]])
            yield rows, torch.stack([future.result() for future in ahead.pop(0)])
