"""The images, opened one by one from the one file that holds all of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from brainbench import DataError, Stimuli
from brainbench.datasets import Fact, Ledger, content_digest
from brainbench_nsd.nsd.hdf5 import open_hdf5

_ARRAY, _AXES = "imgBrick", "images x height x width x 3"


@dataclass(frozen=True)
class Brick:
    """``nsd_stimuli.hdf5``: [N, 425, 425, 3] uint8, the image of nsdId i at place i."""

    path: Path

    def __len__(self) -> int:
        with open_hdf5(self.path, _ARRAY, _AXES) as array:
            if array.shape[3] != 3 or array.dtype != np.uint8:
                raise DataError(f"{self.path}: {_ARRAY} is {array.dtype} {array.shape}, expected uint8 of {_AXES}")
            return int(array.shape[0])

    def open(self, image: int) -> Image.Image:
        """One image; may be called from several threads."""
        with open_hdf5(self.path, _ARRAY, _AXES) as array:
            return Image.fromarray(array[image])

    def stimuli(self, images: np.ndarray, ledger: Ledger) -> Stimuli:
        """These images (nsdIds, [S]) as stimuli; their pixels are read once and their digests remembered.

        Raises DataError for an image that the file does not have.
        """
        count = len(self)
        if images.max() >= count:
            raise DataError(
                f"{self.path} has {count} images, but 73KID {images.max() + 1} was shown: fetch the whole file"
            )
        wanted = content_digest(np.ascontiguousarray(images, np.int64).tobytes())[:16]
        fact = ledger.examine(f"nsd images {wanted}", [self.path], lambda path: self._look(images))[0]
        numbers = images.tolist()
        ids = tuple(spelled_id(number) for number in numbers)
        return Stimuli(ids, tuple(fact["digests"]), lambda index: self.open(numbers[index]))

    def _look(self, images: np.ndarray) -> Fact:
        # As brainbench names an image file of the same pixels, so that its features serve here too.
        with open_hdf5(self.path, _ARRAY, _AXES) as array:
            height, width = array.shape[1:3]
            size = f"{width}x{height}:".encode()
            return {"digests": [content_digest(size, array[number].tobytes()) for number in images.tolist()]}


def spelled_id(image: int) -> str:
    """13 -> "nsd-00013", as in the image names of the Algonauts 2023 release."""
    return f"nsd-{image:05d}"
