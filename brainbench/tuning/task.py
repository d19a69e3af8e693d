"""A task: labelled images, and the draw of those to train and to test on."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from brainbench.errors import DataError, UsageError
from brainbench.planning.dataset import OpenDataset
from brainbench.protocols import Labelled
from brainbench.types import Labels, Stimuli


@dataclass(frozen=True)
class Task:
    """Labelled images. name: as in ``NAME@TASK``; subject: whose images they are."""

    name: str
    data: OpenDataset
    subject: str

    @cached_property
    def stimuli(self) -> Stimuli:
        """The images; one that cannot be opened is the dataset's failure."""
        return self.data.readable(self.subject)

    @cached_property
    def labels(self) -> Labels:
        """Their classes."""
        dataset = self.data.dataset
        if not isinstance(dataset, Labelled) or "labels" not in dataset.provides:
            raise UsageError(
                f"--on {self.data.name}: this dataset has no labels; those of `brainbench list datasets` that say 'for tune' have"
            )
        return dataset.labels(self.subject)


@dataclass(frozen=True)
class Draw:
    """Row numbers of the images to train on and to test on. notes: what was decided, one sentence each."""

    train: np.ndarray
    test: np.ndarray
    notes: tuple[str, ...]


def draw(labels: Labels, images_per_class: int, seed: int, most: int = 0) -> Draw:
    """Draw the training images of every class, and test on all that are left, or on ``most`` of these.

    Whole groups are drawn, so that no group is on both sides: images of a drawn group that are not needed are left out. If the
    dataset gives a split, training images come from its train split and the test is its test split, without groups of which an
    image was drawn. A class never gives more than half of its groups; if it has too few, a note says how many images it gives.

    Raises DataError for a class that cannot be on both sides.
    """
    rng, count = np.random.default_rng(seed), len(labels.values)
    groups = np.unique(np.asarray(labels.groups), return_inverse=True)[1] if labels.groups else np.arange(count)
    pool = np.ones(count, bool) if labels.split is None else labels.split == "train"
    held = np.ones(count, bool) if labels.split is None else labels.split == "test"
    taken: list[int] = []
    drawn: set[int] = set()
    notes = []
    for number, name in enumerate(labels.classes):
        rows = np.flatnonzero(pool & (labels.values == number))
        own = rng.permutation(np.unique(groups[rows]))
        if labels.split is None:
            own = own[: len(own) // 2]
        found: list[int] = []
        for group in own.tolist():
            if len(found) >= images_per_class:
                break
            drawn.add(group)
            found += rows[groups[rows] == group].tolist()
        found = found[:images_per_class]
        if not found:
            raise DataError(
                f"class {name} has {len(np.unique(groups[rows]))} groups of images; at least 2 are needed, to train and to test"
            )
        if len(found) < images_per_class:
            notes.append(f"class {name} gives {len(found)} training images instead of {images_per_class}")
        taken += found
    test = np.flatnonzero(held & ~np.isin(groups, [*drawn]))
    if lacking := [name for number, name in enumerate(labels.classes) if not (labels.values[test] == number).any()]:
        raise DataError(f"class {lacking[0]} has no images left to test on; lower --images-per-class")
    if 0 < most < len(test):
        test = np.sort(rng.permutation(test)[:most])
        notes.append(f"tested on {most} images")
    return Draw(np.array(sorted(taken)), test, tuple(notes))
