"""Responses of several files as one ``Source``: sessions below one another, hemispheres side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from brainbench import DataError
from brainbench.datasets import advice, in_blocks, single


@dataclass(frozen=True)
class Matrix:
    """The figures of one file. shape: (R rows, V columns).

    blocks: all rows in order, in pieces [b, V] of at most so many rows, the file read once and never whole; whole: all of them
    as [R, V] float32 mapped from the file, if the file stores them like that; indexed: whether a first column, an index, was left
    out of it.
    """

    path: Path
    shape: tuple[int, int]
    blocks: Callable[[int], Iterator[np.ndarray]]
    whole: np.ndarray | None = None
    indexed: bool = False

    def columns(self, wanted: np.ndarray) -> Matrix:
        """These columns alone, in this order."""
        shape = (self.shape[0], len(wanted))
        return replace(self, shape=shape, whole=None, blocks=lambda size: (b[:, wanted] for b in self.blocks(size)))


def held(path: Path, values: np.ndarray, indexed: bool = False) -> Matrix:
    """A matrix of values that were read whole, [R, V]."""
    rows, voxels = values.shape
    return Matrix(
        path,
        (rows, voxels),
        lambda size: (values[start : start + size] for start in range(0, rows, size)),
        indexed=indexed,
    )


def two_axes(path: Path, shape: tuple[int, ...]) -> tuple[int, int]:
    """(R, V), or DataError for another number of axes and an empty array."""
    if len(shape) != 2:
        raise DataError(f"{path} has shape {shape}, expected two axes: stimuli x voxels")
    if 0 in shape:
        raise DataError(f"{path} is an empty array of shape {shape}")
    return shape[0], shape[1]


def damaged(path: Path, kind: str, problem: Exception) -> DataError:
    """What to say of a file that a library cannot read."""
    brief = (str(problem) or type(problem).__name__).splitlines()[0]
    return DataError(
        f"{path} cannot be read as {kind} ({brief}): {advice(path, 'it may be truncated; copy or save it again')}"
    )


@dataclass(frozen=True)
class MatrixSource:
    """A ``Source``. sessions: one after the other; in each, matrices side by side, such as the two hemispheres."""

    key: str
    sessions: tuple[tuple[Matrix, ...], ...]

    @property
    def where(self) -> Path:
        """The first file."""
        return self.sessions[0][0].path

    @property
    def shape(self) -> tuple[int, int]:
        """(R, V)."""
        return sum(sides[0].shape[0] for sides in self.sessions), sum(side.shape[1] for side in self.sessions[0])

    @property
    def whole(self) -> np.ndarray | None:
        """What the one file maps, if it is one."""
        alone = len(self.sessions) == 1 and len(self.sessions[0]) == 1
        return self.sessions[0][0].whole if alone else None

    def blocks(self, rows: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Ascending, and only of the sessions that have one of ``rows``."""
        rows, start = np.sort(rows), 0
        for sides in self.sessions:
            end = start + sides[0].shape[0]
            if ((rows >= start) & (rows < end)).any():
                yield from self._wanted(sides, rows, start)
            start = end

    def _wanted(
        self, sides: tuple[Matrix, ...], rows: np.ndarray, start: int
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        size = len(next(in_blocks(np.arange(sides[0].shape[0]), self.shape[1])))
        for pieces in zip(*(side.blocks(size) for side in sides), strict=True):
            end = start + len(pieces[0])
            some = rows[(rows >= start) & (rows < end)]
            if some.size:
                # Of a mapped file, only these rows are read.
                parts = [single(piece if len(some) == len(piece) else piece[some - start]) for piece in pieces]
                yield some, parts[0] if len(parts) == 1 else np.hstack(parts)
            start = end


def refuse_uneven(sessions: tuple[tuple[Matrix, ...], ...]) -> None:
    """DataError unless hemispheres have as many rows and sessions as many voxels."""
    for sides in sessions:
        for side in sides[1:]:
            if side.shape[0] != sides[0].shape[0]:
                found = f"{side.path} has {side.shape[0]} rows, {sides[0].path.name} {sides[0].shape[0]}"
                raise DataError(f"{found}: both hemispheres need one row a stimulus")
    first, *others = ([side.shape[1] for side in sides] for sides in sessions)
    for sides, widths in zip(sessions[1:], others, strict=True):
        if widths != first:
            found = f"{sides[0].path} has {sum(widths)} voxels, {sessions[0][0].path} {sum(first)}"
            raise DataError(f"{found}: all sessions of a subject need the same voxels in the same order")
