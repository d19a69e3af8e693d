"""Train, val and test of one subject, by image: no repeat crosses."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from brainbench.datasets import given_split, refuse_empty, units
from brainbench_nsd.nsd.images import spelled_id
from brainbench_nsd.splits import split_by_image


def split_images(
    how: str, images: np.ndarray, digests: Sequence[str], shared: np.ndarray, seed: int
) -> tuple[np.ndarray, tuple[str, ...]]:
    """[S] train/val/test, "" for an image that is left out, of one subject's images (nsdIds), and notes.

    how: "image", see ``split_by_image``; or "shared1000": the ``shared`` images are test, a tenth of the others val, and what has
    the content of a test image is left out. Raises DataError if one of the three is empty.
    """
    if how == "image":
        split = split_by_image(images.tolist(), digests, seed)
        notes = [f"split 8:1:1 by a hash of the NSD image number (split_seed {seed}), alike in all subjects"]
    else:
        ids = [spelled_id(number) for number in images.tolist()]
        given = np.where(np.isin(images, shared), "test", "train").astype("<U5")
        split, decided = given_split(given, ids, units(digests, [""] * len(ids)), seed)
        notes = [f"test is the {int((split == 'test').sum())} shared images that this subject saw", *decided]
    refuse_empty(split, f"the split {how} of {len(images)} images (split_seed {seed})")
    return split, tuple(notes)
