"""Stimuli -> the network's input, decoded by several threads while the network processes the images before."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import TYPE_CHECKING

from brainbench.types import Stimuli

if TYPE_CHECKING:
    from PIL import Image
    from torch import Tensor

Preprocess = Callable[["Image.Image"], "Tensor"]

MOST_WORKERS = 16


class ImageLoader:
    """The images of ``rows``, in this order, ready for the network. A context: leaving it drops the images still in decoding.

    Exceptions of ``preprocess`` are raised by ``take``, at their image. Decoding is ahead by no more images than are taken
    at once, so memory does not depend on the number of images.
    """

    def __init__(self, stimuli: Stimuli, rows: Sequence[int], preprocess: Preprocess) -> None:
        self._stimuli, self._preprocess = stimuli, preprocess
        self._every, self._count = list(rows), 0
        self._rows: Iterator[int] = iter(self._every)
        self._workers = min(MOST_WORKERS, os.cpu_count() or 1)
        self._pool = ThreadPoolExecutor(self._workers)
        self._ahead: deque[Future[Tensor]] = deque()

    def names(self, count: int) -> Sequence[str]:
        """Return the names of the last ``count`` images taken."""
        return [self._stimuli.ids[row] for row in self._every[self._count - count : self._count]]

    def take(self, count: int) -> Tensor:
        """Return the next ``count`` images [count, 3, H, W]. At least as many are decoded meanwhile."""
        import torch

        self._submit(count)
        self._count += count
        taken = torch.stack([self._ahead.popleft().result() for _ in range(count)])
        self._submit(max(count, self._workers))
        return taken

    def _submit(self, count: int) -> None:
        while len(self._ahead) < count and (row := next(self._rows, None)) is not None:
            self._ahead.append(self._pool.submit(self._one, row))

    def _one(self, row: int) -> Tensor:
        return self._preprocess(self._stimuli.open(row))

    def __enter__(self) -> ImageLoader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)
