"""Responses with fewer training images, for the curve of appendix G."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from brainbench.errors import UsageError
from brainbench.types import Responses
from brainbench.util.hashing import digest

# One order for all sizes, so that a smaller set lies within every larger one.
ORDER_SEED = 0


def train_images(responses: Responses) -> np.ndarray:
    """The stimuli of the train split, ascending."""
    return np.unique(responses.stimulus[responses.rows("train")])


def trained_on(responses: Responses, images: int, setting: str) -> Responses:
    """The same responses with the first ``images`` training stimuli of one seeded order; their repeats stay together.

    Val and test stay as they are. setting: how the person wrote it, for the message.

    Raises UsageError when there are fewer.
    """
    there = train_images(responses)
    if not 1 <= images <= len(there):
        raise UsageError(
            f"--set {setting}={images}: subject {responses.subject} has {len(there)} training images; "
            f"allowed are 1 to {len(there)}, or 0 for all"
        )
    chosen = np.random.default_rng(ORDER_SEED).permutation(there)[:images]
    kept = np.flatnonzero((responses.split != "train") | np.isin(responses.stimulus, chosen))
    return replace(
        responses,
        values=_rows(responses.values, kept),
        stimulus=responses.stimulus[kept],
        split=responses.split[kept],
        key=digest([responses.key, "train_images", np.sort(chosen).tolist()]),
        notes=(*responses.notes, f"trained on {images} of {len(there)} training images"),
    )


def _rows(values: np.ndarray, kept: np.ndarray) -> np.ndarray:
    # A survey's values take no room; nor does a part of them.
    return values[kept] if any(values.strides) else np.broadcast_to(values[0, 0], (len(kept), values.shape[1]))
