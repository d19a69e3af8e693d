"""Responses as they lie in files: larger than memory, so read in blocks and never held whole."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from brainbench.datasets.arrays import open_npy
from brainbench.errors import DataError
from brainbench.util.hashing import digest

Block = tuple[np.ndarray, np.ndarray]
_BLOCK = 2**24  # figures read at once, 64 MiB as float32


class Source(Protocol):
    """Where the responses of one subject come from, before anything is left out."""

    @property
    def key(self) -> str:
        """Names the values: the digests of the files and what is done to them."""
        ...

    @property
    def where(self) -> Path:
        """The file or folder, for messages."""
        ...

    @property
    def shape(self) -> tuple[int, int]:
        """(R rows, V voxels)."""
        ...

    @property
    def whole(self) -> np.ndarray | None:
        """All values as [R, V] float32 mapped from one file, where they lie in one like that."""
        ...

    def blocks(self, rows: np.ndarray) -> Iterator[Block]:
        """Every wanted row once, in the order that reads best: (row numbers [b], values [b, V] float32)."""
        ...


@dataclass(frozen=True)
class ArraySource:
    """Arrays in memory or mapped, side by side: [R, V_1], [R, V_2] ... such as the two hemispheres."""

    key: str
    where: Path
    arrays: tuple[np.ndarray, ...]

    @property
    def shape(self) -> tuple[int, int]:
        """(R, V)."""
        return len(self.arrays[0]), sum(array.shape[1] for array in self.arrays)

    @property
    def whole(self) -> None:
        """None: what lies in memory is not kept there."""

    def blocks(self, rows: np.ndarray) -> Iterator[Block]:
        """In the order of ``rows``."""
        for some in in_blocks(rows, self.shape[1]):
            yield some, np.hstack([single(array[some]) for array in self.arrays])


@dataclass(frozen=True)
class NpySource:
    """One or several .npy files side by side, each opened anew for every block, so that what was read does not stay mapped."""

    key: str
    paths: tuple[Path, ...]

    @property
    def where(self) -> Path:
        """The first file."""
        return self.paths[0]

    @property
    def shape(self) -> tuple[int, int]:
        """(R, V)."""
        shapes = [open_npy(path).shape for path in self.paths]
        return shapes[0][0], sum(shape[1] for shape in shapes)

    @property
    def whole(self) -> np.ndarray | None:
        """The mapped file, if it is one, float32 and row by row."""
        array = open_npy(self.paths[0])
        fits = len(self.paths) == 1 and array.dtype == np.float32 and array.flags.c_contiguous
        return array if fits else None

    def blocks(self, rows: np.ndarray) -> Iterator[Block]:
        """In the order of ``rows``."""
        for some in in_blocks(rows, self.shape[1]):
            yield some, np.hstack([single(open_npy(path)[some]) for path in self.paths])


class ZScored:
    """A source whose values have mean 0 and standard deviation 1 in every session and voxel (paper, section 4.1).

    session: [R], the label of each row's session. The figures are those of all rows of a session, whatever split they are in;
    a voxel that is constant or not finite in a session is not finite there.
    """

    def __init__(self, source: Source, session: Sequence[str] | np.ndarray) -> None:
        self._source = self.raw = source
        self._session = np.asarray(session)
        if len(self._session) != source.shape[0]:
            raise DataError(f"{source.where}: {source.shape[0]} rows, but {len(self._session)} of them have a session")
        self.key = digest([source.key, "z-score by session", [str(name) for name in self._session.tolist()]])
        self.where, self.shape, self.whole = source.where, source.shape, None

    def blocks(self, rows: np.ndarray) -> Iterator[Block]:
        """Session by session."""
        for name in dict.fromkeys(self._session[rows].tolist()):
            whole = np.flatnonzero(self._session == name)
            mean, sd = _moments(self._source.blocks(whole), self.shape[1])
            wanted = whole[np.isin(whole, rows)]
            for some, values in self._source.blocks(wanted):
                with np.errstate(divide="ignore", invalid="ignore"):
                    scored = ((values - mean) / sd).astype(np.float32)
                yield some, scored


def in_blocks(rows: np.ndarray, voxels: int) -> Iterator[np.ndarray]:
    """``rows`` in pieces of about 64 MiB of float32."""
    step = max(1, _BLOCK // voxels)
    return (rows[start : start + step] for start in range(0, len(rows), step))


def single(values: np.ndarray) -> np.ndarray:
    """As float32; what is beyond its range becomes infinite and is counted as such."""
    with np.errstate(over="ignore"):
        return np.asarray(values).astype(np.float32, copy=False)


def _moments(blocks: Iterable[Block], voxels: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation (n in the denominator), [V] float64, NaN where a voxel is constant.

    Summed as distances from the first row, so that a constant voxel has a deviation of exactly zero.
    """
    origin, count = None, 0
    total, squares = np.zeros(voxels), np.zeros(voxels)
    with np.errstate(invalid="ignore"):  # infinite values end as NaN
        for _, values in blocks:
            if origin is None:
                origin = values[0].astype(np.float64)
            distance = values - origin
            total += distance.sum(axis=0)
            squares += np.square(distance).sum(axis=0)
            count += len(values)
        if origin is None:
            return total, squares
        variance = squares / count - np.square(total / count)
        sd = np.sqrt(np.maximum(variance, 0))
    return origin + total / count, np.where(squares > 0, sd, np.nan)
