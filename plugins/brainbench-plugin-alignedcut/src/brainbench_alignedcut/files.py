"""Data files: a dataclass of arrays as one ``.npz``, one array per field."""

from __future__ import annotations

import io
import zipfile
import zlib
from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self, get_type_hints

import numpy as np

from brainbench import DataError, StoreError
from brainbench.datasets import drafted

_DAMAGED = (OSError, ValueError, KeyError, EOFError, TypeError, zipfile.BadZipFile, zlib.error)


@dataclass(frozen=True)
class DataFile(ABC):
    """A frozen dataclass whose fields are arrays, texts, tuples of texts, numbers and truth values.

    A subclass declares in ``shapes`` how the arrays fit together: name -> lengths, each a number or the name of a length
    that is the same everywhere. ``len(layers)`` of a tuple of texts is the length of that name.
    """

    def save(self, path: Path) -> None:
        """Write the file atomically. The same content gives the same bytes. Raises StoreError if the disk refuses."""
        if path.suffix != ".npz":
            raise DataError(f"{path}: a data file ends in .npz")
        buffer = io.BytesIO()
        arrays: Any = {name: np.asarray(value) for name, value in vars(self).items()}
        np.savez_compressed(buffer, **arrays)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with drafted(path) as draft:
                draft.write_bytes(buffer.getvalue())
        except OSError as problem:
            raise StoreError(f"cannot write {path} ({problem.strerror}): choose another place with --out") from problem

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read it back. Raises DataError for a file that is damaged, or is of another kind."""
        again = f"make it again with `python -m brainbench_alignedcut`, which says what writes a {cls.__name__.lower()}"
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
                found = {field.name: stored[field.name] for field in fields(cls)}
        except _DAMAGED as problem:
            reason = f"{type(problem).__name__}: {problem}".splitlines()[0]
            raise DataError(f"{path}: no readable {cls.__name__.lower()} file ({reason}); {again}") from problem
        hints = get_type_hints(cls)
        made = cls(**{name: _plain(array, hints[name]) for name, array in found.items()})
        if wrong := made.misfit():
            raise DataError(f"{path}: {wrong}; {again}")
        return made

    @classmethod
    @abstractmethod
    def shapes(cls) -> dict[str, tuple[int | str, ...]]:
        """Name of an array -> its lengths."""

    def misfit(self) -> str | None:
        """Return the name of an array that does not fit the others, or None."""
        lengths: dict[str, int] = {name: len(value) for name, value in vars(self).items() if isinstance(value, tuple)}
        for name, expected in self.shapes().items():
            shape = np.shape(getattr(self, name))
            if len(shape) != len(expected):
                return f"{name} has {len(shape)} dimensions, not {len(expected)}"
            for found, length in zip(shape, expected, strict=True):
                wanted = length if isinstance(length, int) else lengths.setdefault(length, found)
                if found != wanted:
                    return f"{name} has shape {list(shape)}, where {length} is {wanted}"
        return None


def _plain(array: np.ndarray, hint: Any) -> Any:
    if hint is np.ndarray:
        return array
    return hint(array) if hint in (str, bool, int, float) else tuple(map(str, array))
