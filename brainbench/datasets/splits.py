"""Train, val and test: whole units (images alike in content or group) fall on one side."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

import numpy as np

from brainbench.datasets.images import canonical
from brainbench.datasets.tables import read_rows
from brainbench.errors import DataError, did_you_mean

SPLITS = ("train", "val", "test")


def units(digests: Sequence[str], groups: Sequence[str], pairs: Iterable[tuple[int, int]] = ()) -> np.ndarray:
    """[S] unit number: images with one digest, with one group other than "", or of one pair, also by way of a third image.

    pairs: as ``lookalikes`` finds them.
    """
    parent = list(range(len(digests)))

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    first: dict[tuple[str, str], int] = {}
    for index, (digest, group) in enumerate(zip(digests, groups, strict=True)):
        for label in (("content", digest), *([("group", group)] if group else [])):
            parent[root(index)] = root(first.setdefault(label, index))
    for index, other in pairs:
        parent[root(index)] = root(other)
    return np.array([root(index) for index in range(len(digests))])


def automatic_split(digests: Sequence[str], unit: np.ndarray, seed: int) -> np.ndarray:
    """[S] train/val/test, 8:1:1, by a seeded hash of content: file names and order play no part."""
    split = np.full(len(digests), "train", dtype="<U5")
    size = max(1, round(0.1 * len(digests)))
    for name in ("test", "val"):
        split[_take(digests, unit, split == "train", size, seed)] = name
    return split


def given_split(
    given: np.ndarray, digests: Sequence[str], unit: np.ndarray, seed: int, table: str = "splits.csv"
) -> tuple[np.ndarray, list[str]]:
    """Make a split from ``given`` ([S] train/val/test, "" for no line in ``table``) with no unit on two sides; and notes.

    What shares a unit with a test image is left out of train and val, what shares one with a val image out of train:
    the test set stays as it was given. Without val, a tenth of train becomes val.
    """
    split, notes = given.copy(), []
    if (split == "").any():
        notes.append(f"{int((split == '').sum())} of {len(split)} images have no line in {table} and were left out")
    for kept, others in (("test", ("train", "val")), ("val", ("train",))):
        leaking = np.isin(unit, unit[split == kept]) & np.isin(split, others)
        if leaking.any():
            where = " and ".join(others)
            notes.append(f"left {int(leaking.sum())} images out of {where}: same picture or group as images in {kept}")
        split[leaking] = ""
    train = split == "train"
    if not (split == "val").any() and train.any():
        size = max(1, round(0.1 * int(train.sum())))
        split[_take(digests, unit, train, size, seed)] = "val"
        share = f"{int((split == 'val').sum())} of {int(train.sum())}"
        notes.append(f"val is {share} train images, chosen by a hash of their content (split_seed {seed})")
    return split, notes


def refuse_empty(split: np.ndarray, source: str) -> None:
    """DataError if one of train, val and test has no image."""
    for name in SPLITS:
        if not (split == name).any():
            message = f"{source} leaves {name} without an image"
            raise DataError(
                f"{message}: train, val and test need at least one unit each (identical or grouped images count as one)"
            )


def read_split(path: Path, ids: Sequence[str], known: Collection[str]) -> np.ndarray:
    """Read ``splits.csv`` (columns image, split): [S] train/val/test, "" for an image without a line.

    ``known``: the images that may be named. Raises DataError for another name, another word, or an image in two splits.
    """
    given: dict[str, str] = {}
    names = set(map(canonical, known))
    for row in read_rows(path, ("image", "split")):
        image, split = row["image"], row["split"]
        if image not in names:
            raise DataError(f"{row.where}: no image {image!r}{did_you_mean(image, names)}; name one of images/")
        if split not in SPLITS:
            raise DataError(f"{row.where}: split {split!r}{did_you_mean(split, SPLITS)}; allowed are train, val, test")
        if given.setdefault(image, split) != split:
            raise DataError(f"{row.where}: {image} is in {given[image]} and in {split}; give it one line")
    return np.array([given.get(canonical(image), "") for image in ids], dtype="<U5")


def _take(digests: Sequence[str], unit: np.ndarray, among: np.ndarray, size: int, seed: int) -> np.ndarray:
    """[S] bool: whole units among these images, in the order of their content hash, as long as they fit into ``size``."""
    members: dict[int, list[int]] = {}
    for index in np.flatnonzero(among):
        members.setdefault(int(unit[index]), []).append(int(index))

    def rank(indices: list[int]) -> str:
        return hashlib.sha256(f"{seed}:{min(digests[i] for i in indices)}".encode()).hexdigest()

    taken = np.zeros(len(digests), bool)
    for indices in sorted(members.values(), key=rank):
        if len(indices) <= size:
            taken[indices] = True
            size -= len(indices)
    return taken
