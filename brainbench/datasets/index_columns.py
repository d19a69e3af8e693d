"""Recognises the index that a program writes as a table's first column, so that it never becomes a voxel."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from brainbench.errors import DataError

# As pandas, R, a spreadsheet and Arrow name what has no name.
_NAMELESS = ("", "index", "unnamed: 0", "__index_level_0__", "rownames", "row.names")
_LEAST = 3  # rows, below which 0, 1 or 1, 2 may well have been measured


def is_nameless(name: str) -> bool:
    """Whether a column's name is the one that programs give an index."""
    return name.strip().casefold() in _NAMELESS


def has_index(path: Path, names: Sequence[str] | None, first: np.ndarray) -> bool:
    """Whether the first of several columns is an index. names: of all columns, None without a header; first: [R], its values.

    An index has no name where others have one (``""``, ``index`` ...) and holds whole numbers, or counts the rows of a table
    without a header. Raises DataError for a first column that may be either: one without a name whose values are no whole
    numbers, and one with a name that counts the rows; and as ``refuse_shuffled`` does.
    """
    counts = len(first) >= _LEAST and first[0] in (0, 1) and bool((np.diff(first) == 1).all())
    if names is None or len(names) < 2:
        return counts and names is None
    if is_nameless(names[0]) and any(name.strip() for name in names[1:]):
        if not (first == np.rint(first)).all():
            raise DataError(
                f"{path}: its first column has no name, as an index has none, but holds {first[0]:g}: name it if it is "
                "a voxel, else delete it"
            )
        refuse_shuffled(path, first)
        return True
    if counts:
        raise DataError(
            f"{path}: its first column, {names[0]!r}, counts the rows from {first[0]:g}: an index is no voxel, delete it"
        )
    return False


def refuse_shuffled(path: Path, index: np.ndarray) -> None:
    """DataError for an index [R] that counts the rows in another order: the table was shuffled after it was numbered."""
    ordered = np.sort(index)
    counts = len(index) >= _LEAST and ordered[0] in (0, 1) and bool((np.diff(ordered) == 1).all())
    if counts and (ordered != index).any():
        raise DataError(
            f"{path}: its index counts the rows in another order ({', '.join(f'{one:g}' for one in index[:3])} ...): sort "
            "them by it, or leave the index out if this is the order of the images"
        )
