"""Images with masks, without responses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from brainbench import Masks, Responses, Stimuli, UsageError
from brainbench.datasets import content_digest
from brainbench_alignedcut.datasets.places import SIMULATED

SUBJECT = "1"  # a set without subjects has one


@dataclass(frozen=True)
class MaskedImages:
    """A dataset of images and masks alone. version: of both and their order; simulated: made by ``brainbench data make``."""

    images: Stimuli
    classes_of_pixels: Masks
    version: str
    simulated: bool

    @property
    def subjects(self) -> Sequence[str]:
        """One, "1"."""
        return (SUBJECT,)

    @property
    def provides(self) -> frozenset[str]:
        """Masks."""
        return frozenset({"masks"})

    @property
    def licence(self) -> str | None:
        """MIT if simulated, else None: that of the card."""
        return "MIT" if self.simulated else None

    def stimuli(self, subject: str) -> Stimuli:
        """The images, in the order of the release."""
        _known(subject)
        return self.images

    def responses(self, subject: str) -> Responses | None:
        """None: there are no responses."""
        _known(subject)
        return None

    def masks(self, subject: str) -> Masks | None:
        """Per-pixel classes, uint8 [H, W] an image; 255 is no class."""
        _known(subject)
        return self.classes_of_pixels

    def dissimilarities(self, subject: str) -> np.ndarray | None:
        """None: there are no responses."""
        _known(subject)
        return None


def masked_images(root: Path, stimuli: Stimuli, masks: Masks, digests: Sequence[str]) -> MaskedImages:
    """The set in ``root``. digests: S sha256 of the masks' pixels."""
    lines = [f"{one}:{image}:{mask}" for one, image, mask in zip(stimuli.ids, stimuli.digests, digests, strict=True)]
    version = content_digest("\n".join([*masks.classes, *lines]).encode())[:12]
    return MaskedImages(stimuli, masks, version, simulated=(root / SIMULATED).is_file())


def _known(subject: str) -> None:
    if subject != SUBJECT:
        raise UsageError(f"no subject {subject!r}; a set of images and masks has one, {SUBJECT!r}")
