"""Which images a subject saw, in which order, and which of them belong together."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from brainbench import DataError, Stimuli, did_you_mean
from brainbench.builtin.datasets.folder.layout import Layout, natural
from brainbench.datasets import Images, Ledger, list_images, read_images, read_rows


@dataclass(frozen=True)
class Seen:
    """What one subject saw.

    ids: S file names; images: the S images; groups: S group names, "" for none; rows: [R] the stimulus of each response
    row; source: where that order is from, in words; notes: what was decided.
    """

    ids: tuple[str, ...]
    images: Images
    groups: tuple[str, ...]
    rows: np.ndarray
    source: str
    notes: tuple[str, ...] = ()

    @property
    def stimuli(self) -> Stimuli:
        """As the other stages read it."""
        return Stimuli(self.ids, self.images.digests, self.images.open)


def read_seen(layout: Layout, ledger: Ledger) -> Seen:
    """The images in file-name order or, with ``stimuli.csv`` (columns image and, if wanted, group), line by line.

    An image on several lines is one stimulus with several response rows. Raises DataError for an image that is not
    there, that cannot be decoded, or that is in two groups.
    """
    folder = layout.images()
    there = list_images(folder)
    table = layout.find("stimuli.csv")
    if table is None:
        images = read_images(folder, tuple(there), ledger)
        source = f"{len(there)} images in {folder}"
        return Seen(tuple(there), images, ("",) * len(there), np.arange(len(there)), source, _order_note(there))
    order, groups = _read_order(table, folder, there)
    ids = tuple(groups)
    position = {name: index for index, name in enumerate(ids)}
    rows = np.array([position[name] for name in order])
    return Seen(ids, read_images(folder, ids, ledger), tuple(groups.values()), rows, f"{len(order)} lines in {table}")


def _read_order(table: Path, folder: Path, there: list[str]) -> tuple[list[str], dict[str, str]]:
    """Image names line by line, and image name -> group in the order of first appearance."""
    order: list[str] = []
    groups: dict[str, str] = {}
    known = set(there)
    for row in read_rows(table, ("image",), optional=("group",)):
        name, group = row["image"], row.cells.get("group", "")
        if name not in known:
            raise DataError(f"{row.where}: no image {name!r} in {folder}{did_you_mean(name, there)}")
        if groups.setdefault(name, group) != group:
            raise DataError(f"{row.where}: {name} is in group {groups[name]!r} and in {group!r}; give it one")
        order.append(name)
    if not order:
        raise DataError(f"{table} names no image: write one line a response row, or leave the file out")
    return order, groups


def _order_note(names: list[str]) -> tuple[str, ...]:
    if names == sorted(names, key=natural):
        return ()
    return ("images taken in plain file-name order (10.png before 2.png); stimuli.csv can give another",)
