"""ImageNet-Segmentation: ``gtsegs_ijcv.mat``, a struct array of MATLAB 7.3, which is an HDF5 file.

The fields ``/value/img`` and ``/value/gt`` are [N, 1] object references: the first to an image [3, W, H] uint8 (MATLAB writes the
last axis first), the second to a cell of references, whose first is the mask [W, H], 0 ground and 1 figure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from brainbench import DataError, Masks, Part, Stimuli
from brainbench.datasets import Fact, Ledger, check_masks, content_digest, mask_fact
from brainbench_alignedcut.datasets.masked import MaskedImages, masked_images
from brainbench_alignedcut.datasets.places import MAT, checked_root, imagenet_root

CLASSES = ("ground", "figure")
FIELDS = ("/value/img", "/value/gt")
SOURCE = f"calvin-vision.net/bigstuff/proj-imagenet/data/{MAT}, some gigabytes"


@dataclass(frozen=True)
class Segments:
    """The file, opened anew for whatever is read of it: an image a time, from any thread, and after a fork."""

    path: Path

    def __len__(self) -> int:
        """N images; DataError where there are none, and unless there are as many masks."""
        with self._opened() as file:
            images, masks = (len(_field(self.path, file, name)) for name in FIELDS)
        if images != masks:
            raise DataError(
                f"{self.path} holds {images} images and {masks} masks: every image needs one; download it anew"
            )
        if not images:
            raise DataError(f"{self.path} holds no images: download it anew ({SOURCE})")
        return images

    def image(self, index: int) -> Image.Image:
        """One RGB image."""
        with self._opened() as file:
            return Image.fromarray(self._pixels(file, index))

    def mask(self, index: int) -> np.ndarray:
        """One mask, uint8 [H, W]."""
        with self._opened() as file:
            return self._mask(file, index)

    def look(self, count: int) -> Fact:
        """Digest and (width, height) of the first ``count`` images and ``mask_fact`` of their masks, read one by one."""
        digests, sizes, masks = [], [], []
        with self._opened() as file:
            for index in range(count):
                pixels = self._pixels(file, index)
                height, width = pixels.shape[:2]
                # As brainbench names an image file of the same pixels, so that its features serve here too.
                digests.append(content_digest(f"{width}x{height}:".encode(), pixels.tobytes()))
                sizes.append([width, height])
                masks.append(mask_fact(self._mask(file, index)))
        return {"digests": digests, "sizes": sizes, "masks": masks}

    def _pixels(self, file: Any, index: int) -> np.ndarray:
        found = self._followed(file, "/value/img", index)
        if found.ndim != 3 or found.shape[0] != 3 or found.dtype != np.uint8:
            what = f"{found.dtype} {found.shape}"
            raise DataError(f"{self.path}: image {index + 1} is {what}, expected uint8 of 3 x width x height")
        return np.ascontiguousarray(found.transpose(2, 1, 0))

    def _mask(self, file: Any, index: int) -> np.ndarray:
        found = self._followed(file, "/value/gt", index)
        # A cell: one mask, or several of which the first counts.
        found = np.asarray(file[found.flat[0]]) if found.dtype == object and found.size else found
        with np.errstate(invalid="ignore"):  # NaN, of which the comparison tells
            pixels = found.astype(np.uint8) if found.ndim == 2 and found.dtype.kind in "biuf" else None
        if pixels is None or (pixels != found).any():
            what = f"{found.dtype} {found.shape}"
            raise DataError(
                f"{self.path}: mask {index + 1} is {what}, expected width x height whole numbers from 0 to 255"
            )
        return np.ascontiguousarray(pixels.T)

    def _followed(self, file: Any, name: str, index: int) -> np.ndarray:
        return np.asarray(file[_field(self.path, file, name)[index, 0]])

    @contextmanager
    def _opened(self) -> Iterator[Any]:
        """The file; DataError for damage that shows when it is opened or read."""
        import h5py

        try:
            with h5py.File(self.path, "r") as file:
                yield file
        except (OSError, KeyError, RuntimeError, ValueError) as problem:  # h5py's own, according to what is damaged
            reason = str(problem).splitlines()[0]
            raise DataError(
                f"{self.path} cannot be read as HDF5 ({reason}): it is truncated or damaged, download it anew"
            ) from problem


def _field(path: Path, file: Any, name: str) -> Any:
    """A field of the struct array, [N, 1] references; DataError if it is not there or is something else."""
    import h5py

    found = file.get(name)
    if not isinstance(found, h5py.Dataset):
        there = ", ".join(file) or "nothing"
        raise DataError(f"{path} holds no {name} (it holds {there}): it must be {MAT} of {SOURCE}")
    if found.ndim != 2 or found.shape[1] != 1 or h5py.check_ref_dtype(found.dtype) is not h5py.Reference:
        raise DataError(f"{path}: {name} is {found.dtype} {found.shape}, expected object references of images x 1")
    return found


def load(*, settings: Mapping[str, Any], data: Path | None, cache: Path) -> MaskedImages:
    """Check ``gtsegs_ijcv.mat`` in the folder ``data`` and hand it on; every image is read once and remembered in ``cache``.

    Raises DataError for a damaged or another file and for a mask that does not fit its image; UsageError without ``data``.
    """
    root = checked_root("imagenet-segmentation", data, imagenet_root, MAT)
    segments = Segments(root / MAT)
    count = min(settings["images"] or len(segments), len(segments))
    ledger = Ledger(cache, root)
    try:
        [found] = ledger.examine(f"first {count} segments", [segments.path], lambda path: segments.look(count))
    finally:
        ledger.save()
    ids = tuple(f"segment-{number:04d}" for number in range(1, count + 1))
    sizes = [(width, height) for width, height in found["sizes"]]
    check_masks([f"{number + 1} of {segments.path}" for number in range(count)], found["masks"], sizes, CLASSES)
    stimuli = Stimuli(ids, tuple(found["digests"]), segments.image)
    return masked_images(root, stimuli, Masks(CLASSES, segments.mask), [fact["digest"] for fact in found["masks"]])


def contents(*, data: Path, settings: Mapping[str, Any]) -> list[Part]:
    """The one file, there or not; nothing is read."""
    del settings  # none changes which file it is
    path = data / MAT
    there = path.is_file()
    return [Part("", "images and masks", path, there, True, path.stat().st_size if there else 0, SOURCE)]
